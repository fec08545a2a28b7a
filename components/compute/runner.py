"""Runner: a CodeBuild project in the region's VPC, which runs `pulumi` and `dr` where a private cluster API answers.

It exists in every tier. Its role cannot be created on the day of a failover, because the control plane of IAM is in
us-east-1, and it has to be able to raise tier `backup`. An idle project costs nothing; builds cost by the minute
(CodeBuild pricing page). In tier `backup` the VPC has no NAT gateway by default: `dr:nat` has to be `one`, or an
existing VPC has to have a way to the AWS APIs.

`dr runner` uploads the checkout to the control bucket and starts a build (dr/operations/runner.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam, vpc
from pulumi_aws.ec2 import SecurityGroup

from components.compute.build_project import BuildProjectArgs, BuildRole, build_logs, build_project, build_role
from components.compute.runner_iam import run_deployments
from components.iam import EncryptedBucket
from dr.names import runner_role_name
from dr.operations.runner import project_name

SIZE = "BUILD_GENERAL1_MEDIUM"
"""4 vCPUs and 8 GiB (CodeBuild user guide, "Build environment compute modes and types"); an engine takes 2.6 GB."""
HTTPS = 443


@dataclass(frozen=True)
class RunnerArgs:
    """Arguments of `Runner`.

    Args:
        name: Name of the deployment: "ml-dr".
        account: The AWS account's twelve digits.
        region: The region.
        vpc_id: ID of the VPC.
        private_subnet_ids: Its private subnets.
        image: Image of builds, in a registry of the region.
        control: The region's control bucket, which holds the source of builds: name, region and KMS key ARN.
        control_key_arn: ARN of the KMS key of that bucket.
        passed_roles: ARNs of the roles that a deployment passes to EKS and EC2.
        policies: ARNs of further IAM policies of its role: access to the state backend and the secrets provider.
        log_key_arn: ARN of the KMS key that encrypts logs.
        tags: Tags of every resource that accepts tags.
    """

    name: str
    account: str
    region: str
    vpc_id: pulumi.Input[str]
    private_subnet_ids: pulumi.Input[Sequence[str]]
    image: str
    control: str
    control_key_arn: pulumi.Input[str]
    passed_roles: Sequence[pulumi.Input[str]]
    policies: Sequence[str]
    log_key_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class Runner(pulumi.ComponentResource):
    """A CodeBuild project with its role, log group and security group.

    Attributes:
        security_group_id: ID of its security group, for ingress rules of the cluster's API.
    """

    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: RunnerArgs, role: iam.Role, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:compute:Runner", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        project = project_name(args.name)
        logs = build_logs(name, project, args.region, args.log_key_arn, args.tags, self)
        policy = iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=pulumi.Output.all(logs.arn, args.control_key_arn, *args.passed_roles).apply(
                lambda arns: run_deployments(
                    args.region,
                    args.account,
                    str(arns[0]),
                    EncryptedBucket(args.control, args.region, str(arns[1])),
                    [str(arn) for arn in arns[2:]],
                )
            ),
            opts=own,
        )
        attached = [
            iam.RolePolicyAttachment(f"{name}-{arn.rpartition('/')[2]}", role=role.name, policy_arn=arn, opts=own)
            for arn in args.policies
        ]
        group = SecurityGroup(
            f"{name}-group",
            name=project,
            description="runner: calls the cluster API and the AWS APIs",
            vpc_id=args.vpc_id,
            region=args.region,
            tags=dict(args.tags),
            opts=own,
        )
        vpc.SecurityGroupEgressRule(
            f"{name}-egress",
            security_group_id=group.id,
            description="cluster API and AWS APIs",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            cidr_ipv4="0.0.0.0/0",
            region=args.region,
            tags=dict(args.tags),
            opts=own,
        )
        build_project(
            name,
            BuildProjectArgs(
                project=project,
                description=f"Runs pulumi and dr inside the VPC of {args.name} in {args.region}",
                region=args.region,
                vpc_id=args.vpc_id,
                private_subnet_ids=args.private_subnet_ids,
                security_group_id=group.id,
                image=args.image,
                size=SIZE,
                tags=args.tags,
            ),
            role,
            logs,
            pulumi.ResourceOptions(parent=self, depends_on=[policy, *attached]),
        )
        self.security_group_id = group.id
        self.register_outputs({"security_group_id": self.security_group_id})


def runner_role(name: str, account: str, region: str, label: str, tags: Mapping[str, str]) -> iam.Role:
    """Create the role of a runner.

    Args:
        name: Logical name.
        account: The AWS account's twelve digits.
        region: The region.
        label: Name of the deployment: "ml-dr".
        tags: Tags of the role.
    """
    role = BuildRole(runner_role_name(label, region), project_name(label), f"{label}: runner in {region}")
    return build_role(f"{name}-role", role, account, region, tags)
