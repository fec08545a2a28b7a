"""Parts of a CodeBuild project in the region's VPC, which runs `dr`: its role, its logs, and the project."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch, codebuild, iam

from components.iam import trust_service
from dr.operations.runner import BUILD_MINUTES, BUILDSPEC

LOG_DAYS = 90


@dataclass(frozen=True)
class BuildProjectArgs:
    """Arguments of `build_project`.

    Args:
        project: The project's name.
        description: What its builds do.
        region: The region.
        vpc_id: ID of the VPC.
        private_subnet_ids: Its private subnets.
        security_group_id: ID of the security group of builds.
        image: Image of builds, in a registry of the region.
        size: Compute type of builds.
        source: Bucket and key of the source, "bucket/key"; "" for one that each start names.
        variables: Environment variables of builds.
        tags: Tags of the project.
    """

    project: str
    description: str
    region: str
    vpc_id: pulumi.Input[str]
    private_subnet_ids: pulumi.Input[Sequence[str]]
    security_group_id: pulumi.Input[str]
    image: str
    size: str
    source: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def build_project(
    name: str, args: BuildProjectArgs, role: iam.Role, logs: cloudwatch.LogGroup, opts: pulumi.ResourceOptions
) -> codebuild.Project:
    """Create a project that runs one build at a time.

    Args:
        name: Logical name.
        args: Its properties.
        role: Role of its builds.
        logs: Log group of its builds.
        opts: Options of the resource.
    """
    kind, location = ("S3", args.source) if args.source else ("NO_SOURCE", None)
    return codebuild.Project(
        name,
        name=args.project,
        description=args.description,
        service_role=role.arn,
        build_timeout=BUILD_MINUTES,
        # Two updates of one stack would wait for each other's lock, and two failovers for the lease.
        concurrent_build_limit=1,
        source=codebuild.ProjectSourceArgs(type=kind, location=location, buildspec=json.dumps(BUILDSPEC)),
        artifacts=codebuild.ProjectArtifactsArgs(type="NO_ARTIFACTS"),
        environment=codebuild.ProjectEnvironmentArgs(
            type="LINUX_CONTAINER",
            compute_type=args.size,
            image=args.image,
            image_pull_credentials_type="SERVICE_ROLE",
            environment_variables=[
                codebuild.ProjectEnvironmentEnvironmentVariableArgs(name=each, value=value, type="PLAINTEXT")
                for each, value in args.variables.items()
            ]
            or None,
        ),
        vpc_config=codebuild.ProjectVpcConfigArgs(
            vpc_id=args.vpc_id, subnets=args.private_subnet_ids, security_group_ids=[args.security_group_id]
        ),
        logs_config=codebuild.ProjectLogsConfigArgs(
            cloudwatch_logs=codebuild.ProjectLogsConfigCloudwatchLogsArgs(status="ENABLED", group_name=logs.name)
        ),
        region=args.region,
        tags=dict(args.tags),
        opts=opts,
    )


def build_logs(
    name: str, project: str, region: str, key_arn: pulumi.Input[str], tags: Mapping[str, str], parent: pulumi.Resource
) -> cloudwatch.LogGroup:
    """Create the log group of a project's builds.

    Args:
        name: Logical name of the project.
        project: The project's name.
        region: The region.
        key_arn: ARN of the KMS key that encrypts logs.
        tags: Tags of the log group.
        parent: The component that owns it.
    """
    return cloudwatch.LogGroup(
        f"{name}-logs",
        name=f"/{project}",
        retention_in_days=LOG_DAYS,
        kms_key_id=key_arn,
        region=region,
        tags=dict(tags),
        opts=pulumi.ResourceOptions(parent=parent),
    )


@dataclass(frozen=True)
class BuildRole:
    """The role of a project's builds.

    Args:
        name: The role's name, by which the access entry of the cluster and the preflight know it.
        project: Name of the project that may assume it.
        description: What it is for.
    """

    name: str
    project: str
    description: str


def build_role(name: str, role: BuildRole, account: str, region: str, tags: Mapping[str, str]) -> iam.Role:
    """Create the role of a project's builds, which has access to the cluster as a role of operators.

    Args:
        name: Logical name.
        role: Its names.
        account: The AWS account's twelve digits.
        region: The region.
        tags: Tags of the role.
    """
    # CodeBuild user guide, "Cross-service confused deputy prevention".
    arn = f"arn:aws:codebuild:{region}:{account}:project/{role.project}"
    return iam.Role(
        name,
        name=role.name,
        assume_role_policy=trust_service("codebuild.amazonaws.com", account, arn),
        description=role.description,
        tags=dict(tags),
    )
