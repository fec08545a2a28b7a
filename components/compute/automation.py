"""Automation: a CodeBuild project that runs `dr automate --yes` in the recovery region's VPC, and its source.

It is a project of its own, beside the runner: a build of automation never waits for an operator's, and its role can do
less. The source is in the recovery region's control bucket in advance, so a build runs what was deployed, and needs
nothing outside the region. `dr.functions.failover_trigger` starts builds. An idle project costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam, s3

from components.compute.automation_iam import Place, run_failovers
from components.compute.automation_source import SOURCE_KEY, program_files, project_files
from components.compute.build_project import BuildProjectArgs, BuildRole, build_logs, build_project, build_role
from components.iam import EncryptedBucket
from dr.names import automation_project_name, automation_role_name

SIZE = "BUILD_GENERAL1_SMALL"
"""2 vCPUs and 4 GiB (CodeBuild user guide, "Build environment compute modes and types"); `dr` takes 0.2 GB."""


@dataclass(frozen=True)
class AutomationArgs:
    """Arguments of `Automation`.

    Args:
        name: Name of the deployment: "ml-dr".
        place: Where it runs.
        stack: Name of the stack.
        config: The engine's configuration.
        vpc_id: ID of the VPC.
        private_subnet_ids: Its private subnets.
        security_group_id: ID of the runner's security group, which the cluster's API admits.
        image: Image of the runner.
        fleets: Names of the Auto Scaling groups of worker fleets.
        control: Name of the region's control bucket.
        data: Names of the buckets of model sets and their files in the region, by pair.
        data_key_arn: ARN of the KMS key of these buckets.
        log_key_arn: ARN of the KMS key that encrypts logs.
        tags: Tags of every resource that accepts tags.
    """

    name: str
    place: Place
    stack: str
    config: Mapping[str, str]
    vpc_id: pulumi.Input[str]
    private_subnet_ids: pulumi.Input[Sequence[str]]
    security_group_id: pulumi.Input[str]
    image: str
    fleets: Sequence[str]
    control: str
    data: Mapping[str, str]
    data_key_arn: pulumi.Input[str]
    log_key_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class Automation(pulumi.ComponentResource):
    """A CodeBuild project with its source, role policy and log group.

    Attributes:
        project: The project's name; resolves when it is created.
    """

    project: pulumi.Output[str]

    def __init__(
        self, name: str, args: AutomationArgs, role: iam.Role, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("dr:compute:Automation", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        project, region = automation_project_name(args.name), args.place.region
        source = s3.BucketObjectv2(
            f"{name}-source",
            bucket=args.control,
            key=SOURCE_KEY,
            source=source_archive(args.config, args.stack),
            content_type="application/zip",
            region=region,
            opts=own,
        )
        logs = build_logs(name, project, region, args.log_key_arn, args.tags, self)
        policy = iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=pulumi.Output.all(logs.arn, args.data_key_arn).apply(
                lambda arns: run_failovers(
                    args.place,
                    str(arns[0]),
                    EncryptedBucket(args.control, region, str(arns[1])),
                    {pair: EncryptedBucket(bucket, region, str(arns[1])) for pair, bucket in args.data.items()},
                    args.image,
                    args.fleets,
                )
            ),
            opts=own,
        )
        made = build_project(
            name,
            BuildProjectArgs(
                project=project,
                description=f"Runs dr automate of {args.name} in {region}",
                region=region,
                vpc_id=args.vpc_id,
                private_subnet_ids=args.private_subnet_ids,
                security_group_id=args.security_group_id,
                image=args.image,
                size=SIZE,
                source=f"{args.control}/{SOURCE_KEY}",
                variables={"DR_COMMAND": f"dr automate --yes --stack {args.stack}"},
                tags=args.tags,
            ),
            role,
            logs,
            pulumi.ResourceOptions(parent=self, depends_on=[policy, source]),
        )
        self.project = made.name
        self.register_outputs({"project": self.project})


def source_archive(config: Mapping[str, str], stack: str) -> pulumi.AssetArchive:
    """Return the archive of the source. The engine compares its files' content.

    Args:
        config: The engine's configuration.
        stack: Name of the stack.
    """
    # As texts, the files would be in the state, which the engine writes after each resource.
    files = {file: pulumi.FileAsset(str(path)) for file, path in program_files().items()}
    texts = {file: pulumi.StringAsset(text) for file, text in project_files(config, stack).items()}
    return pulumi.AssetArchive({**files, **texts})


def automation_role(name: str, account: str, region: str, label: str, tags: Mapping[str, str]) -> iam.Role:
    """Create the role of automation.

    Args:
        name: Logical name.
        account: The AWS account's twelve digits.
        region: The recovery region.
        label: Name of the deployment: "ml-dr".
        tags: Tags of the role.
    """
    role = BuildRole(
        automation_role_name(label, region), automation_project_name(label), f"{label}: automation in {region}"
    )
    return build_role(f"{name}-role", role, account, region, tags)
