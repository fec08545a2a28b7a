"""What a cluster, its nodes and its pods may do. Pure: names and ARNs in, JSON out."""

from __future__ import annotations

from dataclasses import dataclass

from components.iam import EncryptedBucket, document, use_key

AWS_POLICIES = "arn:aws:iam::aws:policy/"
CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""EKS user guide, "Amazon EKS node IAM role"; the network plugin's permissions are a pod's of its own."""
SERVING, SYSTEM = "ml-serving", "kube-system"


@dataclass(frozen=True)
class PodRole:
    """A role of pods.

    Args:
        name: What it is for: "inference".
        namespace: Where its service account is.
        service_account: The service account's name.
        policies: AWS's own policies that it has.
    """

    name: str
    namespace: str
    service_account: str
    policies: tuple[str, ...] = ()


INFERENCE = PodRole("inference", SERVING, "inference-service")
LOAD_BALANCER = PodRole("load-balancer", SYSTEM, "aws-load-balancer-controller")
AUTOSCALER = PodRole("autoscaler", SYSTEM, "cluster-autoscaler")
NETWORK_PLUGIN = PodRole("network-plugin", SYSTEM, "aws-node", ("AmazonEKS_CNI_Policy",))
VOLUMES = PodRole("volumes", SYSTEM, "ebs-csi-controller-sa", ("service-role/AmazonEBSCSIDriverPolicy",))
POD_ROLES = (INFERENCE, LOAD_BALANCER, AUTOSCALER, NETWORK_PLUGIN, VOLUMES)


def trust_pods(role: PodRole, cluster: str, account: str) -> str:
    """Pods of one service account of one cluster (EKS user guide, "Create IAM role with trust policy")."""
    return document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": account,
                        "aws:RequestTag/eks-cluster-name": cluster,
                        "aws:RequestTag/kubernetes-namespace": role.namespace,
                        "aws:RequestTag/kubernetes-service-account": role.service_account,
                    }
                },
            }
        ]
    )


def read_models(bucket: EncryptedBucket) -> str:
    """Read the models of the own region."""
    return document(
        [
            {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket.arn},
            # Every object of just this bucket: which models there will be is not known here.
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"],
                "Resource": f"{bucket.arn}/*",
            },
            use_key(bucket, "Decrypt", ["kms:Decrypt"]),
        ]
    )


def bind_targets(target_group_arn: str) -> str:
    """Register pods in one target group, and nothing else of what the controller could do.

    The actions are those of its guide for TargetGroupBinding without security groups of its own (AWS Load Balancer
    Controller, "IAM permissions", "TargetGroupBinding only").
    """
    return document(
        [
            # Describing knows no narrower resource.
            {
                "Sid": "Describe",
                "Effect": "Allow",
                "Action": [
                    "ec2:DescribeAvailabilityZones",
                    "ec2:DescribeInstances",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                    "elasticloadbalancing:DescribeTargetGroups",
                    "elasticloadbalancing:DescribeTargetHealth",
                ],
                "Resource": "*",
            },
            {
                "Sid": "Register",
                "Effect": "Allow",
                "Action": ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"],
                "Resource": target_group_arn,
            },
        ]
    )


def resize_groups(cluster: str, account: str, region: str) -> str:
    """Resize the node groups of one cluster (Cluster Autoscaler, "IAM policy", its minimal one)."""
    return document(
        [
            # Describing knows no narrower resource.
            {
                "Sid": "Describe",
                "Effect": "Allow",
                "Action": [
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribeAutoScalingInstances",
                    "autoscaling:DescribeLaunchConfigurations",
                    "autoscaling:DescribeScalingActivities",
                    "ec2:DescribeImages",
                    "ec2:DescribeInstanceTypes",
                    "ec2:DescribeLaunchTemplateVersions",
                    "ec2:GetInstanceTypesFromInstanceRequirements",
                ],
                "Resource": "*",
            },
            {
                "Sid": "Groups",
                "Effect": "Allow",
                "Action": "eks:DescribeNodegroup",
                # Every node group of just this cluster.
                "Resource": f"arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*",
            },
            # EKS names the groups, so that their ARNs are not known here; the tag that EKS gives them says whose.
            {
                "Sid": "Resize",
                "Effect": "Allow",
                "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
                "Resource": f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*",
                "Condition": {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}},
            },
        ]
    )
