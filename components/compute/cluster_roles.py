"""ClusterRoles: the IAM roles of a cluster, its nodes and its pods.

The roles exist in every tier, with or without a cluster: IAM's control plane is in us-east-1, and a recovery region has
to be able to grow while us-east-1 is unavailable. For the same reason, no role refers to a resource that exists only in
some tiers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam

from components.compute import cluster_iam, karpenter_iam
from components.compute.cluster_iam import (
    ALERTING,
    AUTOSCALER,
    AWS_POLICIES,
    BACKUPS,
    BATCH,
    INFERENCE,
    KARPENTER,
    LOAD_BALANCER,
    REGISTRY_BACKUP,
    REGISTRY_SERVER,
    PodRole,
    pod_roles,
)
from components.iam import EncryptedBucket, trust_service
from dr.names import DATASETS, MODELS, REGISTRY, VELERO

DATA_POLICIES: Mapping[PodRole, tuple[Callable[..., str], Sequence[str]]] = {
    INFERENCE: (cluster_iam.read_models, (MODELS, REGISTRY)),
    REGISTRY_BACKUP: (cluster_iam.back_up_registry, (REGISTRY,)),
    BATCH: (cluster_iam.process_datasets, (DATASETS,)),
    BACKUPS: (cluster_iam.keep_cluster_backups, (VELERO,)),
}
"""Policies of pods that access buckets: the function that makes the policy, and the bucket pairs it covers."""


@dataclass(frozen=True)
class DataBucket:
    """An S3 bucket of the region.

    Args:
        name: The bucket's name.
        key_arn: ARN of the KMS key that encrypts it.
    """

    name: str
    key_arn: pulumi.Input[str]


@dataclass(frozen=True)
class LoginSecret:
    """The secret with the login of the database, in the region.

    Args:
        name: The secret's name.
        key_arn: ARN of the KMS key that encrypts it.
    """

    name: str
    key_arn: pulumi.Input[str]


@dataclass(frozen=True)
class ClusterRolesArgs:
    """Arguments of `ClusterRoles`.

    Args:
        cluster: The cluster's name.
        account: The AWS account's twelve digits.
        region: The cluster's region.
        data: The buckets of that region, by name of their pair.
        target_group_arn: ARN of the target group in which pods are registered.
        topic_arns: ARNs of the SNS topics for alerts.
        topic_key_arn: ARN of the KMS key that encrypts the topics.
        karpenter: Whether Karpenter creates GPU nodes, instead of the Cluster Autoscaler.
        registry_login: The secret that the MLflow server reads; None: the cluster has no MLflow server.
        tags: Tags of the roles.
    """

    cluster: str
    account: str
    region: str
    data: Mapping[str, DataBucket]
    target_group_arn: pulumi.Input[str]
    topic_arns: Sequence[str]
    topic_key_arn: pulumi.Input[str]
    karpenter: bool = False
    registry_login: LoginSecret | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class ClusterRoles(pulumi.ComponentResource):
    """The roles of control plane, nodes and pods with their policies; with Karpenter, also an instance profile.

    Attributes:
        cluster_arn: ARN of the control plane's role.
        node_arn: ARN of the nodes' role.
        pod_arns: ARNs of the pods' roles, by name of their `PodRole`.
        node_profile: Instance profile with the nodes' role, for nodes outside node groups; None without Karpenter.
        policies: Policies and attachments; resources that use the roles depend on them.
    """

    cluster_arn: pulumi.Output[str]
    node_arn: pulumi.Output[str]
    pod_arns: Mapping[str, pulumi.Output[str]]
    node_profile: iam.InstanceProfile | None = None
    policies: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: ClusterRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:compute:ClusterRoles", name, None, opts)
        self._name, self._args = name, args
        self._policies: list[pulumi.Resource] = []
        # EKS user guide, "Cross-service confused deputy prevention in Amazon EKS".
        arn = f"arn:aws:eks:{args.region}:{args.account}:cluster/{args.cluster}"
        trusts = {
            "cluster": trust_service("eks.amazonaws.com", args.account, arn),
            "nodes": trust_service("ec2.amazonaws.com"),
        }
        self.cluster_arn = self._role("cluster", trusts["cluster"], cluster_iam.CLUSTER_POLICIES).arn
        nodes = self._role("nodes", trusts["nodes"], cluster_iam.NODE_POLICIES)
        self.node_arn = nodes.arn
        if args.karpenter:
            self.node_profile = iam.InstanceProfile(
                f"{name}-nodes-profile",
                role=nodes.name,
                tags=dict(args.tags),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.pod_arns = {
            role.name: self._pod_role(role).arn for role in pod_roles(args.karpenter, args.registry_login is not None)
        }
        self.policies = self._policies
        self.register_outputs({"cluster_arn": self.cluster_arn, "node_arn": self.node_arn})

    def _role(self, purpose: str, trust: str, policies: Sequence[str]) -> iam.Role:
        args, opts = self._args, pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"{self._name}-{purpose}",
            assume_role_policy=trust,
            description=f"EKS cluster {args.cluster} in {args.region}: {purpose} role",
            tags=dict(args.tags),
            opts=opts,
        )
        for policy in policies:
            attachment = f"{self._name}-{purpose}-{policy.rpartition('/')[2]}"
            arn = f"{AWS_POLICIES}{policy}"
            self._policies.append(iam.RolePolicyAttachment(attachment, role=role.name, policy_arn=arn, opts=opts))
        return role

    def _pod_role(self, pod: PodRole) -> iam.Role:
        args = self._args
        role = self._role(pod.name, cluster_iam.trust_pods(pod, args.cluster, args.account), pod.policies)
        if (policy := self._policy(pod)) is not None:
            self._policies.append(
                iam.RolePolicy(
                    f"{self._name}-{pod.name}-policy",
                    role=role.name,
                    policy=policy,
                    opts=pulumi.ResourceOptions(parent=self),
                )
            )
        return role

    def _policy(self, pod: PodRole) -> pulumi.Input[str] | None:
        args = self._args
        if pod in DATA_POLICIES:
            policy, pairs = DATA_POLICIES[pod]
            buckets = [args.data[pair] for pair in pairs]
            return pulumi.Output.all(*(bucket.key_arn for bucket in buckets)).apply(
                lambda keys: policy(
                    *(
                        EncryptedBucket(bucket.name, args.region, str(key))
                        for bucket, key in zip(buckets, keys, strict=True)
                    )
                )
            )
        if pod is REGISTRY_SERVER and args.registry_login:
            login, bucket = args.registry_login, args.data[REGISTRY]
            return pulumi.Output.all(bucket.key_arn, login.key_arn).apply(
                lambda keys: cluster_iam.serve_registry(
                    EncryptedBucket(bucket.name, args.region, str(keys[0])), args.account, login.name, str(keys[1])
                )
            )
        if pod is LOAD_BALANCER:
            return pulumi.Output.from_input(args.target_group_arn).apply(cluster_iam.bind_targets)
        if pod is ALERTING:
            return pulumi.Output.from_input(args.topic_key_arn).apply(
                lambda key: cluster_iam.publish_alerts(args.topic_arns, key, args.region)
            )
        if pod is AUTOSCALER:
            return cluster_iam.resize_groups(args.cluster, args.account, args.region)
        if pod is KARPENTER and self.node_profile is not None:
            return pulumi.Output.all(self.node_arn, self.node_profile.arn).apply(
                lambda arns: karpenter_iam.create_nodes(args.cluster, args.account, args.region, arns[0], arns[1])
            )
        return None
