"""ClusterRoles: the IAM roles of a cluster, its nodes and its pods.

They exist in every tier, whether a cluster runs or not: IAM's control plane is in us-east-1, and a recovery region must
grow while that is gone. For the same reason no role names anything that comes and goes with a tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import iam

from components import cluster_iam
from components.cluster_iam import AUTOSCALER, AWS_POLICIES, INFERENCE, LOAD_BALANCER, POD_ROLES, PodRole
from components.iam import EncryptedBucket, trust_service


@dataclass(frozen=True)
class ClusterRolesArgs:
    """Arguments of `ClusterRoles`.

    Args:
        cluster: The cluster's name.
        account: The AWS account's twelve digits.
        region: The cluster's region.
        models_bucket: The bucket of that region that models are read from.
        models_key_arn: ARN of the key it is encrypted with.
        target_group_arn: Where pods are registered.
        tags: Tags of the roles.
    """

    cluster: str
    account: str
    region: str
    models_bucket: str
    models_key_arn: pulumi.Input[str]
    target_group_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class ClusterRoles(pulumi.ComponentResource):
    """Roles, ready to be passed.

    Attributes:
        cluster_arn: The control plane's role.
        node_arn: The nodes' role.
        pod_arns: The pods' roles, by the name of their `PodRole`.
        policies: What has to be there before any of them is used.
    """

    cluster_arn: pulumi.Output[str]
    node_arn: pulumi.Output[str]
    pod_arns: Mapping[str, pulumi.Output[str]]
    policies: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: ClusterRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:compute:ClusterRoles", name, None, opts)
        self._name, self._args = name, args
        self._policies: list[pulumi.Resource] = []
        trusts = {"cluster": trust_service("eks.amazonaws.com"), "nodes": trust_service("ec2.amazonaws.com")}
        self.cluster_arn = self._role("cluster", trusts["cluster"], cluster_iam.CLUSTER_POLICIES).arn
        self.node_arn = self._role("nodes", trusts["nodes"], cluster_iam.NODE_POLICIES).arn
        self.pod_arns = {role.name: self._pod_role(role).arn for role in POD_ROLES}
        self.policies = self._policies
        self.register_outputs({"cluster_arn": self.cluster_arn, "node_arn": self.node_arn})

    def _role(self, what: str, trust: str, policies: Sequence[str]) -> iam.Role:
        args, opts = self._args, pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            f"{self._name}-{what}",
            assume_role_policy=trust,
            description=f"{what} of the cluster {args.cluster} in {args.region}",
            tags=dict(args.tags),
            opts=opts,
        )
        for policy in policies:
            attachment = f"{self._name}-{what}-{policy.rpartition('/')[2]}"
            arn = f"{AWS_POLICIES}{policy}"
            self._policies.append(iam.RolePolicyAttachment(attachment, role=role.name, policy_arn=arn, opts=opts))
        return role

    def _pod_role(self, pod: PodRole) -> iam.Role:
        args = self._args
        role = self._role(pod.name, cluster_iam.trust_pods(pod, args.cluster, args.account), pod.policies)
        if (policy := self._policy_of(pod)) is not None:
            self._policies.append(
                iam.RolePolicy(
                    f"{self._name}-{pod.name}-policy",
                    role=role.name,
                    policy=policy,
                    opts=pulumi.ResourceOptions(parent=self),
                )
            )
        return role

    def _policy_of(self, pod: PodRole) -> pulumi.Input[str] | None:
        args = self._args
        if pod is INFERENCE:
            return pulumi.Output.from_input(args.models_key_arn).apply(
                lambda key: cluster_iam.read_models(EncryptedBucket(args.models_bucket, args.region, key))
            )
        if pod is LOAD_BALANCER:
            return pulumi.Output.from_input(args.target_group_arn).apply(cluster_iam.bind_targets)
        if pod is AUTOSCALER:
            return cluster_iam.resize_groups(args.cluster, args.account, args.region)
        return None
