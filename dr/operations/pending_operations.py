"""Operations that an interrupted `pulumi up` left pending, as data of the stack's state. Pure.

The engine records each creation before it starts and after it ends. A creation that is recorded as started only is
*pending*: AWS may have the resource, and the state does not. The next `up` only warns and creates it again: EKS refuses
a second cluster of one name, and a second NAT gateway costs money. `adopted` adds each resource that may exist to the
state, by its id and marked to be read before the next update. If it does not exist, the engine drops and creates it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CREATING = "creating"
NAME_TAG = "resource"
"""The tag with a resource's logical name, which identifies it together with the stack's own tags."""

AGAIN = frozenset(
    f"aws:{kind}"
    for kind in (
        *("acm/certificateValidation:CertificateValidation", "backup/vaultLockConfiguration:VaultLockConfiguration"),
        *("backup/vaultPolicy:VaultPolicy", "cloudwatch/compositeAlarm:CompositeAlarm"),
        *("cloudwatch/metricAlarm:MetricAlarm", "ec2/defaultSecurityGroup:DefaultSecurityGroup"),
        *("eks/accessPolicyAssociation:AccessPolicyAssociation", "iam/rolePolicy:RolePolicy"),
        *(
            "iam/rolePolicyAttachment:RolePolicyAttachment",
            "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        ),
        *("s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "s3/bucketObjectv2:BucketObjectv2"),
        *("s3/bucketOwnershipControls:BucketOwnershipControls", "s3/bucketPolicy:BucketPolicy"),
        *("s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "s3/bucketReplicationConfig:BucketReplicationConfig"),
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        *("s3/bucketVersioning:BucketVersioning", "sns/topic:Topic", "sns/topicPolicy:TopicPolicy"),
        "sns/topicSubscription:TopicSubscription",
    )
)
"""Types whose creation is idempotent: their calls put, attach or associate."""
PROVIDER = "pulumi:providers:"
"""Prefix of the types of providers, which create nothing."""
OBJECT = "kubernetes:"
"""Prefix of the types of Kubernetes objects, identified by the namespace and name that the program sets."""

BY_NAME = {
    f"aws:{kind}": id
    for kind, id in {
        "backup/vault:Vault": "{name}",
        "cloudwatch/logGroup:LogGroup": "{name}",
        "ec2/route:Route": "{routeTableId}_{destinationCidrBlock}",
        "ec2/routeTableAssociation:RouteTableAssociation": "{subnetId}",
        "eks/accessEntry:AccessEntry": "{clusterName}:{principalArn}",
        "eks/addon:Addon": "{clusterName}:{addonName}",
        "eks/cluster:Cluster": "{name}",
        "eks/nodeGroup:NodeGroup": "{clusterName}:{nodeGroupName}",
        "iam/instanceProfile:InstanceProfile": "{name}",
        "iam/role:Role": "{name}",
        "kms/alias:Alias": "{name}",
        "lambda/function:Function": "{name}",
        "route53/record:Record": "{zoneId}_{name}_{type}{setIdentifier}",
        "s3/bucket:Bucket": "{bucket}",
        "scheduler/schedule:Schedule": "{groupName}/{name}",
    }.items()
}
"""Types whose id consists of their inputs: the Pulumi registry, "Import" of each type."""

BY_TAG = {
    f"aws:{kind}": searched
    for kind, searched in {
        "acm/certificate:Certificate": "acm:certificate",
        "backup/plan:Plan": "backup:backup-plan",
        "ec2/capacityReservation:CapacityReservation": "ec2:capacity-reservation",
        "ec2/eip:Eip": "ec2:elastic-ip",
        "ec2/flowLog:FlowLog": "ec2:vpc-flow-log",
        "ec2/internetGateway:InternetGateway": "ec2:internet-gateway",
        "ec2/launchTemplate:LaunchTemplate": "ec2:launch-template",
        "ec2/natGateway:NatGateway": "ec2:natgateway",
        "ec2/routeTable:RouteTable": "ec2:route-table",
        "ec2/securityGroup:SecurityGroup": "ec2:security-group",
        "ec2/subnet:Subnet": "ec2:subnet",
        "ec2/vpc:Vpc": "ec2:vpc",
        "ec2/vpcEndpoint:VpcEndpoint": "ec2:vpc-endpoint",
        "eks/podIdentityAssociation:PodIdentityAssociation": "eks:podidentityassociation",
        "kms/key:Key": "kms:key",
        "lb/listener:Listener": "elasticloadbalancing:listener",
        "lb/loadBalancer:LoadBalancer": "elasticloadbalancing:loadbalancer",
        "lb/targetGroup:TargetGroup": "elasticloadbalancing:targetgroup",
        "route53/healthCheck:HealthCheck": "route53:healthcheck",
        "route53/zone:Zone": "route53:hostedzone",
        "vpc/securityGroupEgressRule:SecurityGroupEgressRule": "ec2:security-group-rule",
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule": "ec2:security-group-rule",
    }.items()
}
"""Types whose id AWS generates: their name in the Resource Groups Tagging API (its guide, "Supported services")."""

ID_IS_ARN = ("acm", "elasticloadbalancing")
"""Services for whose resources Pulumi uses the ARN as id, instead of its last part."""


@dataclass(frozen=True)
class Pending:
    """An operation that was started, with an end that the engine did not record.

    Args:
        urn: The URN of the resource.
        doing: "creating", "updating", "deleting", ...
        inputs: Inputs of the resource.
    """

    urn: str
    doing: str
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def region(self) -> str | None:
        """Its region; None for a global resource."""
        return self.inputs.get("region")

    @property
    def type(self) -> str:
        """Its type token: "aws:ec2/eip:Eip"."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.urn.split("::", 3)[3]

    @property
    def harmless(self) -> bool:
        """Whether creating it again does no harm."""
        return self.type in AGAIN or self.type.startswith(PROVIDER)

    @property
    def named_id(self) -> str | None:
        """Its id, where that consists of its inputs."""
        if self.type.startswith(OBJECT):
            # A Helm release has both among its inputs, and not in metadata.
            named = self.inputs.get("metadata") or self.inputs
            return "/".join(filter(None, (named.get("namespace"), named.get("name")))) or None
        if self.type not in BY_NAME:
            return None
        # Parts of an id that are optional or have a default.
        of_set = f"_{self.inputs['setIdentifier']}" if self.inputs.get("setIdentifier") else ""
        values = {"groupName": "default", **self.inputs, "setIdentifier": of_set}
        try:
            return BY_NAME[self.type].format(**values)
        except KeyError:
            return None


def pending(deployment: Mapping[str, Any]) -> list[Pending]:
    """Pending operations, one for each resource.

    Args:
        deployment: The member "deployment" of `pulumi stack export`.
    """
    found = {}
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        found[resource["urn"]] = Pending(resource["urn"], operation["type"], resource.get("inputs") or {})
    return list(found.values())


def known_ids(deployment: Mapping[str, Any]) -> set[str]:
    """Ids of all resources in the state."""
    return {resource["id"] for resource in deployment.get("resources") or () if resource.get("id")}


def id_of_arn(arn: str) -> str:
    """The id that Pulumi uses for a resource."""
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    return arn if service in ID_IS_ARN else rest.replace(":", "/").rpartition("/")[2]


def adopted(deployment: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the deployment without pending operations.

    Args:
        deployment: The deployment as exported.
        ids: Ids, by URN, of pending creations with a resource that may exist. All others are dropped.
    """
    result = copy.deepcopy(dict(deployment))
    resources = result.setdefault("resources", [])
    for operation in result.pop("pending_operations", None) or ():
        urn = operation["resource"]["urn"]
        held = next((each for each in resources if each["urn"] == urn and not each.get("delete")), None)
        if operation["type"] != CREATING:
            if held:
                held["refreshBeforeUpdate"] = True
            continue
        if urn not in ids or (held and held.get("id") == ids[urn]):
            continue
        inputs = operation["resource"].get("inputs") or {}
        made = {**operation["resource"], "id": ids[urn], "outputs": {**inputs, "id": ids[urn]}}
        made["refreshBeforeUpdate"] = True
        # The old resource of a replacement comes after the new one; the next update deletes it.
        resources.insert(resources.index(held) if held else len(resources), made)
        if held:
            held["delete"] = True
    return result
