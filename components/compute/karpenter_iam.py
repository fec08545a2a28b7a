"""IAM policy of Karpenter for the GPU nodes of one cluster. Pure.

It follows Karpenter's CloudFormation template ("Getting Started with Karpenter", KarpenterControllerPolicy): Karpenter
tags everything it creates with the cluster's tag, and may change only resources with that tag. Two parts are left out:
Pulumi creates the instance profile, because IAM may be unavailable when nodes are needed, and no spot capacity is used.
"""

from __future__ import annotations

from components.iam import document

POOL = "karpenter.sh/nodepool"


def create_nodes(cluster: str, account: str, region: str, node_role_arn: str, profile_arn: str) -> str:
    """Return the policy of Karpenter's pods.

    Args:
        cluster: The cluster's name.
        account: The AWS account's twelve digits.
        region: The cluster's region.
        node_role_arn: ARN of the nodes' role.
        profile_arn: ARN of the instance profile with that role.
    """
    ec2, owner = f"arn:aws:ec2:{region}", f"kubernetes.io/cluster/{cluster}"
    kinds = ["fleet", "instance", "volume", "network-interface", "launch-template"]
    tagged_request = {
        "StringEquals": {f"aws:RequestTag/{owner}": "owned", "aws:RequestTag/eks:eks-cluster-name": cluster},
        "StringLike": {f"aws:RequestTag/{POOL}": "*"},
    }
    owned = {"StringEquals": {f"aws:ResourceTag/{owner}": "owned"}, "StringLike": {f"aws:ResourceTag/{POOL}": "*"}}
    return document(
        [
            # All images, subnets and security groups: the node class chooses them, and they do not carry the tag.
            {
                "Sid": "UseImagesAndSubnets",
                "Effect": "Allow",
                "Action": ["ec2:RunInstances", "ec2:CreateFleet"],
                "Resource": [
                    *(f"{ec2}::{kind}/*" for kind in ("image", "snapshot")),
                    *(f"{ec2}:{account}:{kind}/*" for kind in ("security-group", "subnet", "capacity-reservation")),
                ],
            },
            {
                "Sid": "UseTemplates",
                "Effect": "Allow",
                "Action": ["ec2:RunInstances", "ec2:CreateFleet"],
                "Resource": f"{ec2}:{account}:launch-template/*",
                "Condition": owned,
            },
            {
                "Sid": "Create",
                "Effect": "Allow",
                "Action": ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"],
                "Resource": [f"{ec2}:{account}:{kind}/*" for kind in kinds],
                "Condition": tagged_request,
            },
            {
                "Sid": "Tag",
                "Effect": "Allow",
                "Action": "ec2:CreateTags",
                "Resource": [f"{ec2}:{account}:{kind}/*" for kind in kinds],
                "Condition": {
                    **tagged_request,
                    "StringEquals": {
                        **tagged_request["StringEquals"],
                        "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
                    },
                },
            },
            {
                "Sid": "TagInstances",
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
                "Sid": "Delete",
                "Effect": "Allow",
                "Action": ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
                "Resource": [f"{ec2}:{account}:{kind}/*" for kind in ("instance", "launch-template")],
                "Condition": owned,
            },
            # Describe actions and prices support no resource-level permissions.
            {
                "Sid": "Describe",
                "Effect": "Allow",
                "Action": [
                    f"ec2:Describe{resources}"
                    for resources in (
                        *("CapacityReservations", "Images", "Instances", "InstanceStatus", "InstanceTypeOfferings"),
                        *("InstanceTypes", "LaunchTemplates", "SecurityGroups", "SpotPriceHistory", "Subnets"),
                    )
                ],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
            },
            {"Sid": "Prices", "Effect": "Allow", "Action": "pricing:GetProducts", "Resource": "*"},
            # Public parameters of AWS, which hold IDs of images.
            {
                "Sid": "Images",
                "Effect": "Allow",
                "Action": "ssm:GetParameter",
                "Resource": f"arn:aws:ssm:{region}::parameter/aws/service/*",
            },
            {
                "Sid": "PassNodeRole",
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
