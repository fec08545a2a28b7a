"""What a cluster, its nodes and its pods may do. Pure: names and ARNs in, JSON out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.iam import EncryptedBucket, document, use_key
from dr.clusters import charts
from dr.data.registry_backup import PREFIX as BACKUPS_PREFIX
from dr.names import MLFLOW, TRAINING
from dr.topology.serving import NAMESPACE as SERVING
from dr.topology.serving import SERVICE

AWS_POLICIES = "arn:aws:iam::aws:policy/"
CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""EKS user guide, "Amazon EKS node IAM role"; the network plugin's permissions are a pod's of its own."""
SYSTEM = charts.SYSTEM


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


INFERENCE = PodRole("inference", SERVING, SERVICE)
LOAD_BALANCER = PodRole("load-balancer", SYSTEM, "aws-load-balancer-controller")
AUTOSCALER = PodRole("autoscaler", SYSTEM, "cluster-autoscaler")
NETWORK_PLUGIN = PodRole("network-plugin", SYSTEM, "aws-node", ("AmazonEKS_CNI_Policy",))
VOLUMES = PodRole("volumes", SYSTEM, "ebs-csi-controller-sa", ("service-role/AmazonEBSCSIDriverPolicy",))
ALERTING = PodRole("alerting", charts.MONITORING, "alertmanager")
KARPENTER = PodRole("karpenter", SYSTEM, "karpenter")
REGISTRY_BACKUP = PodRole("registry-backup", MLFLOW, "registry-backup")
BATCH = PodRole("batch", TRAINING, "process-datasets")
BACKUPS = PodRole("backups", charts.VELERO, "velero-server")
"""Velero's server and its node agents, which move the data: its Helm chart's service account for both."""
POD_ROLES = (INFERENCE, LOAD_BALANCER, AUTOSCALER, NETWORK_PLUGIN, VOLUMES, ALERTING, REGISTRY_BACKUP, BATCH, BACKUPS)
RESULTS = "results"
"""Where results of processing are in a datasets bucket, by region."""


def pod_roles(karpenter: bool) -> tuple[PodRole, ...]:
    """Roles of pods: of whoever makes GPU nodes, one of two."""
    return tuple(KARPENTER if karpenter and role is AUTOSCALER else role for role in POD_ROLES)


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


def read_models(models: EncryptedBucket, registry: EncryptedBucket) -> str:
    """Read the models of the own region, and the manifests that say which objects are a set."""
    sets, in_sets = f"{registry.arn}/sets/*", {"StringLike": {"s3:prefix": "sets/*"}}
    return document(
        [
            *_read_all(models),
            {
                "Sid": "ListSets",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": registry.arn,
                "Condition": in_sets,
            },
            # Every set: which one is served is a setting, and a role is not changed with it.
            {"Sid": "ReadSets", "Effect": "Allow", "Action": "s3:GetObject", "Resource": sets},
            use_key(registry, "DecryptSets", ["kms:Decrypt"]),
        ]
    )


def _read_all(bucket: EncryptedBucket) -> list[dict[str, Any]]:
    return [
        {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket.arn},
        # Every object of just this bucket: which ones there will be is not known here.
        {
            "Sid": "Read",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": f"{bucket.arn}/*",
        },
        use_key(bucket, "Decrypt", ["kms:Decrypt"]),
    ]


def back_up_registry(registry: EncryptedBucket) -> str:
    """Read all of the registry, and write its backups: never what is registered, and delete nothing.

    CopyObject with a version reads it and its tags (Amazon S3 API reference, "CopyObject"); parts need KMS to decrypt,
    too ("CreateMultipartUpload").
    """
    return document(
        [
            {
                "Sid": "List",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
                "Resource": registry.arn,
            },
            # Every object of just this bucket: a backup is of all of it.
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectVersionTagging"],
                "Resource": f"{registry.arn}/*",
            },
            {
                "Sid": "Write",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"],
                "Resource": f"{registry.arn}/{BACKUPS_PREFIX}*",
            },
            use_key(registry, "ReadAndWrite", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ]
    )


def process_datasets(datasets: EncryptedBucket) -> str:
    """Read the datasets of the own region, and write results under that region's name."""
    results = f"{datasets.arn}/{RESULTS}/{datasets.region}/*"
    return document(
        [
            *_read_all(datasets),
            {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject", "Resource": results},
            use_key(datasets, "Encrypt", ["kms:GenerateDataKey"]),
        ]
    )


def keep_cluster_backups(bucket: EncryptedBucket) -> str:
    """Read, write and expire the backups of clusters (velero-plugin-for-aws, "Set permissions for Velero").

    Nothing of EC2: snapshots are made and removed by the CSI driver, which has a role of its own. In the recovery
    region too it may write: that it does not is the location's setting, since no role is changed in a disaster.
    """
    actions = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ]
    return document(
        [
            {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket.arn},
            # Every object of just this bucket, which has nothing else in it. DeleteObject leaves the version.
            {"Sid": "Keep", "Effect": "Allow", "Action": actions, "Resource": f"{bucket.arn}/*"},
            use_key(bucket, "ReadAndWrite", ["kms:Decrypt", "kms:GenerateDataKey"]),
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


def report_groups(cluster: str, account: str, region: str) -> str:
    """Have the node groups of one cluster report their sizes."""
    return document(
        [
            # Named by EKS, as above.
            {
                "Sid": "Report",
                "Effect": "Allow",
                "Action": "autoscaling:EnableMetricsCollection",
                "Resource": f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*",
                "Condition": {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}},
            },
        ]
    )


def tell(topic_arn: str, key_arn: str, region: str) -> str:
    """Publish alerts to one topic, which is encrypted (SNS developer guide, "Key management")."""
    through = {"StringEquals": {"kms:ViaService": f"sns.{region}.amazonaws.com"}}
    return document(
        [
            {"Sid": "Tell", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic_arn},
            {
                "Sid": "Encrypt",
                "Effect": "Allow",
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": key_arn,
                "Condition": through,
            },
        ]
    )
