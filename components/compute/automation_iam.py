"""IAM policies of automation. Pure: names and ARNs in, JSON out.

Builds of automation run the steps of a failover: they use data planes, and change the sizes of node groups. They change
no IAM, DNS or bucket configuration, delete nothing, and create nothing but a database instance. The function only
starts them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.compute.automation_source import SOURCE_KEY
from components.iam import EncryptedBucket, document, publish_metrics, read_documents, use_key, write_logs
from dr.control import incident_state, levers, shared_journal
from dr.names import incident_instance_name

JOURNAL = f"{shared_journal.PREFIX}*"
READ = ("contract/*", "control/*", JOURNAL, SOURCE_KEY)
"""Keys of the control bucket that a failover reads, and the source of its build."""
WRITTEN = (incident_state.KEY, JOURNAL)
PRIVATE_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^:@]+)"
)
"""Image of a private ECR registry (ECR user guide, "Amazon ECR private registry")."""
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
NETWORK = [
    *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeDhcpOptions"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
]


@dataclass(frozen=True)
class Place:
    """Where automation runs.

    Args:
        region: The recovery region.
        account: The AWS account's twelve digits.
        cluster: Name of the region's cluster.
        global_database: Identifier of the global database; "" without one.
        database: Identifier of the region's database cluster.
    """

    region: str
    account: str
    cluster: str
    global_database: str = ""
    database: str = ""

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of the region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def run_failovers(
    place: Place,
    log_group_arn: str,
    control: EncryptedBucket,
    data: Mapping[str, EncryptedBucket],
    image: str,
    fleets: Sequence[str] = (),
) -> str:
    """Return a policy: run the steps of a failover in this region.

    Args:
        place: Where automation runs.
        log_group_arn: ARN of the log group of builds.
        control: The region's control bucket.
        data: Buckets of model sets and their files in the region, by pair.
        image: Image of builds.
        fleets: Names of the Auto Scaling groups of worker fleets.
    """
    return document(
        [
            write_logs(log_group_arn),
            {
                "Sid": "ReadControl",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"],
                "Resource": [f"{control.arn}/{key}" for key in READ],
            },
            {
                "Sid": "WriteControl",
                "Effect": "Allow",
                "Action": "s3:PutObject",
                "Resource": [f"{control.arn}/{key}" for key in WRITTEN],
            },
            use_key(control, "UseControlKey", ["kms:Decrypt", "kms:GenerateDataKey"]),
            {
                "Sid": "ReadModelSets",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"],
                "Resource": [f"{bucket.arn}/*" for bucket in data.values()],
            },
            *(use_key(bucket, f"Decrypt{pair.title()}", ["kms:Decrypt"]) for pair, bucket in data.items()),
            {
                "Sid": "ListBuckets",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
                "Resource": [control.arn, *(bucket.arn for bucket in data.values())],
            },
            {
                # Composite alarms are returned only with the resource `*` (CloudWatch API reference, DescribeAlarms).
                # The other actions have no resource-level permissions.
                "Sid": "Measure",
                "Effect": "Allow",
                "Action": [
                    *("autoscaling:DescribeAutoScalingGroups", "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"),
                ],
                "Resource": "*",
                "Condition": _in(place.region),
            },
            publish_metrics(levers.NAMESPACE),
            {
                "Sid": "ReadCluster",
                "Effect": "Allow",
                "Action": ["eks:DescribeCluster", "eks:ListNodegroups"],
                "Resource": place.arn("eks", f"cluster/{place.cluster}"),
            },
            {
                # All node groups of this cluster: EKS generates the last part of their ARNs.
                "Sid": "ResizeNodes",
                "Effect": "Allow",
                "Action": ["eks:DescribeNodegroup", "eks:UpdateNodegroupConfig"],
                "Resource": place.arn("eks", f"nodegroup/{place.cluster}/*"),
            },
            *_resize_fleets(place, fleets),
            *_pull(image),
            *(_promote_database(place) if place.global_database else ()),
            {
                # CodeBuild user guide, "Allow CodeBuild access to AWS services required to create a VPC".
                "Sid": "JoinVpc",
                "Effect": "Allow",
                "Action": NETWORK,
                "Resource": "*",
                "Condition": _in(place.region),
            },
            {
                "Sid": "PermitVpc",
                "Effect": "Allow",
                "Action": "ec2:CreateNetworkInterfacePermission",
                "Resource": place.arn("ec2", "network-interface/*"),
                "Condition": {"StringEquals": {"ec2:AuthorizedService": "codebuild.amazonaws.com"}},
            },
        ]
    )


def _promote_database(place: Place) -> list[dict[str, Any]]:
    """Return the statements of the database's steps: make an instance, and promote the cluster.

    Service authorization reference, "Actions, resources, and condition keys for Amazon RDS". A tier without a replica
    has no cluster for inference either, so automation restores nothing.
    """
    instance = incident_instance_name(place.database)
    defaults = ("pg:default.*", "og:default:*")
    return [
        {
            "Sid": "ReadDatabase",
            "Effect": "Allow",
            "Action": ["rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribeGlobalClusters"],
            "Resource": "*",
            "Condition": _in(place.region),
        },
        {
            "Sid": "PromoteDatabase",
            "Effect": "Allow",
            "Action": "rds:FailoverGlobalCluster",
            "Resource": [
                place.arn("rds", f"cluster:{place.database}"),
                f"arn:aws:rds::{place.account}:global-cluster:{place.global_database}",
            ],
        },
        {
            "Sid": "StartDatabaseInstance",
            "Effect": "Allow",
            "Action": ["rds:AddTagsToResource", "rds:CreateDBInstance"],
            "Resource": [place.arn("rds", each) for each in (f"db:{instance}", f"cluster:{place.database}", *defaults)],
        },
    ]


def start_builds(place: Place, project: str, control: EncryptedBucket) -> list[dict[str, Any]]:
    """Return the IAM statements of the function: decide, and start builds of one project.

    Args:
        place: Where automation runs.
        project: The project's name.
        control: The region's control bucket.
    """
    return [
        *read_documents(control, incident_state.KEY, JOURNAL),
        {
            # Composite alarms are returned only with the resource `*` (CloudWatch API reference, DescribeAlarms).
            "Sid": "Alarms",
            "Effect": "Allow",
            "Action": "cloudwatch:DescribeAlarms",
            "Resource": "*",
            "Condition": _in(place.region),
        },
        {
            "Sid": "Start",
            "Effect": "Allow",
            "Action": ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild"],
            "Resource": place.arn("codebuild", f"project/{project}"),
        },
    ]


def _in(region: str) -> dict[str, Any]:
    return {"StringEquals": {"aws:RequestedRegion": region}}


def _resize_fleets(place: Place, fleets: Sequence[str]) -> list[dict[str, Any]]:
    """Return the statement that changes the sizes of worker fleets; none without fleets."""
    if not fleets:
        return []
    # An ARN has the ID of the group before its name (Auto Scaling user guide, "How Amazon EC2 Auto Scaling works with
    # IAM").
    groups = [place.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{name}") for name in fleets]
    return [
        {"Sid": "ResizeWorkers", "Effect": "Allow", "Action": "autoscaling:UpdateAutoScalingGroup", "Resource": groups}
    ]


def _pull(image: str) -> list[dict[str, Any]]:
    """Return the statements that pull an image; none for one that is not in a private ECR registry."""
    found = PRIVATE_IMAGE.match(image)
    if found is None:
        return []
    repository = f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['repository']}"
    return [
        {"Sid": "PullImage", "Effect": "Allow", "Action": PULL, "Resource": repository},
        # It has no resource-level permissions.
        {"Sid": "SignIn", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    ]
