"""What Karpenter may do to make GPU nodes of one cluster. Pure.

After its CloudFormation template ("Getting Started with Karpenter", KarpenterControllerPolicy): what it makes carries
the cluster's tag, and it may touch only what carries it. Left out is what this program does otherwise: instance
profiles are made by Pulumi, since IAM may be gone on the day nodes are needed, and no spot capacity is bought.
"""

from __future__ import annotations

from components.iam import document

POOL = "karpenter.sh/nodepool"


def make_nodes(cluster: str, account: str, region: str, node_role_arn: str, profile_arn: str) -> str:
    """A policy for its pods.

    Args:
        cluster: The cluster's name.
        account: The AWS account's twelve digits.
        region: The cluster's region.
        node_role_arn: The role that nodes run as.
        profile_arn: The instance profile with that role.
    """
    ec2, owner = f"arn:aws:ec2:{region}", f"kubernetes.io/cluster/{cluster}"
    made = ["fleet", "instance", "volume", "network-interface", "launch-template"]
    asked = {
        "StringEquals": {f"aws:RequestTag/{owner}": "owned", "aws:RequestTag/eks:eks-cluster-name": cluster},
        "StringLike": {f"aws:RequestTag/{POOL}": "*"},
    }
    owned = {"StringEquals": {f"aws:ResourceTag/{owner}": "owned"}, "StringLike": {f"aws:ResourceTag/{POOL}": "*"}}
    return document(
        [
            # Whichever image, subnet and group a node class names: they are not its own, and it changes none of them.
            {
                "Sid": "From",
                "Effect": "Allow",
                "Action": ["ec2:RunInstances", "ec2:CreateFleet"],
                "Resource": [
                    *(f"{ec2}::{kind}/*" for kind in ("image", "snapshot")),
                    *(f"{ec2}:{account}:{kind}/*" for kind in ("security-group", "subnet", "capacity-reservation")),
                ],
            },
            {
                "Sid": "Template",
                "Effect": "Allow",
                "Action": ["ec2:RunInstances", "ec2:CreateFleet"],
                "Resource": f"{ec2}:{account}:launch-template/*",
                "Condition": owned,
            },
            {
                "Sid": "Make",
                "Effect": "Allow",
                "Action": ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"],
                "Resource": [f"{ec2}:{account}:{kind}/*" for kind in made],
                "Condition": asked,
            },
            {
                "Sid": "Tag",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": [f"{ec2}:{account}:{kind}/*" for kind in made],
                "Condition": {
                    **asked,
                    "StringEquals": {
                        **asked["StringEquals"],
                        "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
                    },
                },
            },
            {
                "Sid": "TagLater",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": f"{ec2}:{account}:instance/*",
                "Condition": {
                    **owned,
                    "ForAllValues:StringEquals": {
                        "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]
                    },
                },
            },
            {
                "Sid": "Unmake",
                "Effect": "Allow",
                "Action": ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
                "Resource": [f"{ec2}:{account}:{kind}/*" for kind in ("instance", "launch-template")],
                "Condition": owned,
            },
            # Describing, and prices, know no narrower resource.
            {
                "Sid": "Describe",
                "Effect": "Allow",
                "Action": [
                    f"ec2:Describe{what}"
                    for what in (
                        *("CapacityReservations", "Images", "Instances", "InstanceStatus", "InstanceTypeOfferings"),
                        *("InstanceTypes", "LaunchTemplates", "SecurityGroups", "SpotPriceHistory", "Subnets"),
                    )
                ],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
            },
            {"Sid": "Prices", "Effect": "Allow", "Action": "pricing:GetProducts", "Resource": "*"},
            # AWS's own parameters: the ids of its images.
            {
                "Sid": "Images",
                "Effect": "Allow",
                "Action": "ssm:GetParameter",
                "Resource": f"arn:aws:ssm:{region}::parameter/aws/service/*",
            },
            {
                "Sid": "RunAs",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": node_role_arn,
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
            },
            {"Sid": "Profile", "Effect": "Allow", "Action": "iam:GetInstanceProfile", "Resource": profile_arn},
            {
                "Sid": "Cluster",
                "Effect": "Allow",
                "Action": "eks:DescribeCluster",
                "Resource": f"arn:aws:eks:{region}:{account}:cluster/{cluster}",
            },
        ]
    )
