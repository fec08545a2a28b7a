"""IAM policies of a cluster, its nodes and its pods. Pure: names and ARNs in, JSON out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.iam import EncryptedBucket, document, use_key
from dr.clusters import charts
from dr.data.registry_backup import PREFIX as BACKUPS_PREFIX
from dr.names import ARTIFACTS, DRILL, MLFLOW, TRAINING
from dr.topology import writers
from dr.topology.registry import SERVER
from dr.topology.serving import NAMESPACE as SERVING
from dr.topology.serving import SERVICE

AWS_POLICIES = "arn:aws:iam::aws:policy/"
CLUSTER_POLICIES = ("AmazonEKSClusterPolicy",)
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""EKS user guide, "Amazon EKS node IAM role". The network plugin's permissions are in its pods' own role."""
SYSTEM = charts.SYSTEM


@dataclass(frozen=True)
class PodRole:
    """The IAM role of a service account's pods.

    Args:
        name: Purpose of the role: "inference".
        namespace: Namespace of the service account.
        service_account: Name of the service account.
        policies: AWS managed policies of the role.
        further: Other namespaces with this service account.
    """

    name: str
    namespace: str
    service_account: str
    policies: tuple[str, ...] = ()
    further: tuple[str, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All namespaces with the service account."""
        return (self.namespace, *self.further)


INFERENCE = PodRole("inference", SERVING, SERVICE, further=(DRILL,))
"""A drill starts a replica in its own namespace, with the same rights."""
LOAD_BALANCER = PodRole("load-balancer", SYSTEM, "aws-load-balancer-controller")
AUTOSCALER = PodRole("autoscaler", SYSTEM, "cluster-autoscaler")
NETWORK_PLUGIN = PodRole("network-plugin", SYSTEM, "aws-node", ("AmazonEKS_CNI_Policy",))
VOLUMES = PodRole("volumes", SYSTEM, "ebs-csi-controller-sa", ("service-role/AmazonEBSCSIDriverPolicy",))
ALERTING = PodRole("alerting", charts.MONITORING, "alertmanager")
KARPENTER = PodRole("karpenter", SYSTEM, "karpenter")
REGISTRY_BACKUP = PodRole("registry-backup", MLFLOW, writers.REGISTRY_BACKUP)
REGISTRY_SERVER = PodRole("registry", MLFLOW, SERVER)
"""The MLflow server; only where one is deployed."""
BATCH = PodRole("batch", TRAINING, "process-datasets")
BACKUPS = PodRole("backups", charts.VELERO, "velero-server")
"""Velero's server and its node agents, which move the data; Velero's chart gives both one service account."""
POD_ROLES = (INFERENCE, LOAD_BALANCER, AUTOSCALER, NETWORK_PLUGIN, VOLUMES, ALERTING, REGISTRY_BACKUP, BATCH, BACKUPS)
RESULTS = "results"
"""Prefix of processing results in a datasets bucket; a region follows."""


def pod_roles(karpenter: bool, registry: bool = False) -> tuple[PodRole, ...]:
    """Return the roles of pods.

    Args:
        karpenter: Whether Karpenter has a role, instead of the Cluster Autoscaler.
        registry: Whether the MLflow server has one.
    """
    roles = tuple(KARPENTER if karpenter and role is AUTOSCALER else role for role in POD_ROLES)
    return (*roles, REGISTRY_SERVER) if registry else roles


def trust_pods(role: PodRole, cluster: str, account: str) -> str:
    """Trust the pods of one service account (EKS user guide, "Create IAM role with trust policy")."""
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
                        "aws:RequestTag/kubernetes-namespace": role.namespaces if role.further else role.namespace,
                        "aws:RequestTag/kubernetes-service-account": role.service_account,
                    }
                },
            }
        ]
    )


def read_models(models: EncryptedBucket, registry: EncryptedBucket) -> str:
    """Allow reading the region's models, and the manifests of model sets in the registry."""
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
            # All model sets: the served set is a setting, and changing it must not change a role.
            {"Sid": "ReadSets", "Effect": "Allow", "Action": "s3:GetObject", "Resource": sets},
            use_key(registry, "DecryptSets", ["kms:Decrypt"]),
        ]
    )


def _read_all(bucket: EncryptedBucket) -> list[dict[str, Any]]:
    return [
        {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket.arn},
        # All objects of this bucket, because their names are not known in advance.
        {
            "Sid": "Read",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": f"{bucket.arn}/*",
        },
        use_key(bucket, "Decrypt", ["kms:Decrypt"]),
    ]


def back_up_registry(registry: EncryptedBucket) -> str:
    """Allow reading the whole registry and writing its backups; nothing is deleted, and only backups are written.

    CopyObject of a version reads the version and its tags (Amazon S3 API reference, "CopyObject"). Multipart uploads
    need kms:Decrypt as well ("CreateMultipartUpload").
    """
    return document(
        [
            {
                "Sid": "List",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
                "Resource": registry.arn,
            },
            # All objects of this bucket, because a backup contains all of them.
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


def serve_registry(registry: EncryptedBucket, account: str, secret: str, secret_key_arn: str) -> str:
    """Allow reading and writing the artifacts of MLflow, and reading the login of the database. Nothing is deleted.

    Args:
        registry: Registry bucket of the region.
        account: The AWS account's twelve digits.
        secret: Name of the secret.
        secret_key_arn: ARN of the KMS key that encrypts the secret in the region.
    """
    through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{registry.region}.amazonaws.com"}}
    return document(
        [
            {
                "Sid": "List",
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": registry.arn,
                "Condition": {"StringLike": {"s3:prefix": f"{ARTIFACTS}*"}},
            },
            # All artifacts, because their names are not known in advance.
            {
                "Sid": "Artifacts",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": f"{registry.arn}/{ARTIFACTS}*",
            },
            use_key(registry, "ReadAndWrite", ["kms:Decrypt", "kms:GenerateDataKey"]),
            # Secrets Manager adds six random characters to the name (AWS Secrets Manager user guide, "Limiting Access
            # to Specific Secrets"). A replica has the same name in its region.
            {
                "Sid": "Login",
                "Effect": "Allow",
                "Action": "secretsmanager:GetSecretValue",
                "Resource": f"arn:aws:secretsmanager:{registry.region}:{account}:secret:{secret}-??????",
            },
            {
                "Sid": "DecryptLogin",
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": secret_key_arn,
                "Condition": through,
            },
        ]
    )


def process_datasets(datasets: EncryptedBucket) -> str:
    """Allow reading the region's datasets, and writing results below the region's name."""
    results = f"{datasets.arn}/{RESULTS}/{datasets.region}/*"
    return document(
        [
            *_read_all(datasets),
            {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject", "Resource": results},
            use_key(datasets, "Encrypt", ["kms:GenerateDataKey"]),
        ]
    )


def keep_cluster_backups(bucket: EncryptedBucket) -> str:
    """Allow reading, writing and expiring cluster backups (velero-plugin-for-aws, "Set permissions for Velero").

    EC2 actions are left out: the CSI driver creates and deletes snapshots with its own role. Writing is allowed in the
    recovery region too, because a failover must not change a role; Velero's backup location is read-only there.
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
            # All objects of this bucket, which holds only backups. DeleteObject keeps the versions.
            {"Sid": "Keep", "Effect": "Allow", "Action": actions, "Resource": f"{bucket.arn}/*"},
            use_key(bucket, "ReadAndWrite", ["kms:Decrypt", "kms:GenerateDataKey"]),
        ]
    )


def bind_targets(target_group_arn: str) -> str:
    """Allow registering pods in one target group.

    The actions are those that the controller needs for a TargetGroupBinding without security groups (AWS Load Balancer
    Controller, "IAM permissions", "TargetGroupBinding only").
    """
    return document(
        [
            # Describe actions support no resource-level permissions.
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
    """Allow resizing the node groups of one cluster (Cluster Autoscaler, "IAM policy", the minimal one)."""
    return document(
        [
            # Describe actions support no resource-level permissions.
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
                # All node groups of this cluster.
                "Resource": f"arn:aws:eks:{region}:{account}:nodegroup/{cluster}/*",
            },
            # EKS generates the groups' names, so their ARNs are not known in advance; EKS tags them with the cluster.
            {
                "Sid": "Resize",
                "Effect": "Allow",
                "Action": ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
                "Resource": f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*",
                "Condition": {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}},
            },
        ]
    )


def enable_group_metrics(cluster: str, account: str, region: str) -> str:
    """Allow enabling Auto Scaling group metrics of the node groups of one cluster."""
    return document(
        [
            # By tag, because EKS generates the groups' names.
            {
                "Sid": "Report",
                "Effect": "Allow",
                "Action": "autoscaling:EnableMetricsCollection",
                "Resource": f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*",
                "Condition": {"StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}},
            },
        ]
    )


def publish_alerts(topic_arns: Sequence[str], key_arn: str, region: str) -> str:
    """Allow publishing alerts to encrypted topics (SNS developer guide, "Key management")."""
    through_sns = {"StringEquals": {"kms:ViaService": f"sns.{region}.amazonaws.com"}}
    return document(
        [
            {"Sid": "Publish", "Effect": "Allow", "Action": "sns:Publish", "Resource": list(topic_arns)},
            {
                "Sid": "Encrypt",
                "Effect": "Allow",
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": key_arn,
                "Condition": through_sns,
            },
        ]
    )
