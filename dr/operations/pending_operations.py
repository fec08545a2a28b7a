"""What a `pulumi up` that was killed left: things AWS may have made that the stack's state does not know. Pure.

The engine notes each creation before it begins and after it ended. What lies between is *pending*: the next `up` only
warns of it and creates the thing anew, so that EKS refuses a cluster that is there, and a second NAT gateway is paid
for. Here a pending creation becomes a resource of the state, by its id, marked to be read before the next update: what
is not there after all, the engine then drops by itself and creates.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CREATING = "creating"
NAME_TAG = "resource"
"""The tag that has a resource's logical name; with the stack's own tags it is found by."""

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
"""Made twice is made once: calls that put, attach or associate, and so need nothing."""
PROVIDER = "pulumi:providers:"
"""How the types of providers begin: they are nothing but their settings."""
OBJECT = "kubernetes:"
"""How the types of what is in a cluster begin: known by namespace and name, both given by the program."""

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
"""Types whose id is made of their inputs, as the provider's import documentation has it: pulumi registry, by type."""

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
"""Types whose id AWS makes up, as the Resource Groups Tagging API calls them (its guide, "Supported services")."""

ID_IS_ARN = ("acm", "elasticloadbalancing")
"""Services whose resources Pulumi knows by their ARN, and not by what ends it."""


@dataclass(frozen=True)
class Pending:
    """A change that was begun and whose end nobody noted.

    Args:
        urn: Whose.
        doing: "creating", "updating", "deleting", ...
        inputs: What was wanted.
    """

    urn: str
    doing: str
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def region(self) -> str | None:
        """Where; None for what is global."""
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
        """Whether making it again does no harm."""
        return self.type in AGAIN or self.type.startswith(PROVIDER)

    @property
    def named_id(self) -> str | None:
        """Its id, where it is made of its inputs."""
        if self.type.startswith(OBJECT):
            # A Helm release has both beside its other inputs, as no object has.
            named = self.inputs.get("metadata") or self.inputs
            return "/".join(filter(None, (named.get("namespace"), named.get("name")))) or None
        if self.type not in BY_NAME:
            return None
        # What may be left out of an id, or has a default in it.
        of_set = f"_{self.inputs['setIdentifier']}" if self.inputs.get("setIdentifier") else ""
        values = {"groupName": "default", **self.inputs, "setIdentifier": of_set}
        try:
            return BY_NAME[self.type].format(**values)
        except KeyError:
            return None


def pending(deployment: Mapping[str, Any]) -> list[Pending]:
    """What was begun and not ended, each resource once.

    Args:
        deployment: What `pulumi stack export` prints under "deployment".
    """
    found = {}
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        found[resource["urn"]] = Pending(resource["urn"], operation["type"], resource.get("inputs") or {})
    return list(found.values())


def known_ids(deployment: Mapping[str, Any]) -> set[str]:
    """Ids of everything that the state knows."""
    return {resource["id"] for resource in deployment.get("resources") or () if resource.get("id")}


def id_of_arn(arn: str) -> str:
    """A resource's id as Pulumi has it."""
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    return arn if service in ID_IS_ARN else rest.replace(":", "/").rpartition("/")[2]


def adopted(deployment: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The deployment with nothing pending.

    Args:
        deployment: As it was exported.
        ids: Ids of pending creations that may be there, by URN. Others were not made, or do no harm twice.
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
        # One that is being replaced comes after its successor, and goes with the next update.
        resources.insert(resources.index(held) if held else len(resources), made)
        if held:
            held["delete"] = True
    return result
