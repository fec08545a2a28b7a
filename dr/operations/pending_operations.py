"""Operations that an interrupted `pulumi up` left pending in the stack's state. Pure.

The engine records each creation when it starts and when it ends. A creation without a recorded end is *pending*: the
resource may exist in AWS but is not in the state. The next `pulumi up` warns and creates it again. EKS refuses a second
cluster with the same name, and a second NAT gateway costs money. `adopted` adds each resource that may exist to the
state with its ID, marked for a refresh before the next update. The engine creates those that turn out not to exist.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CREATING = "creating"
NAME_TAG = "resource"
"""Key of the tag with the resource's logical name; with the stack's tags, it identifies the resource."""

AGAIN = frozenset(
    f"aws:{kind}"
    for kind in (
        *("acm/certificateValidation:CertificateValidation", "backup/vaultLockConfiguration:VaultLockConfiguration"),
        *("lambda/invocation:Invocation", "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"),
        *("sqs/queue:Queue", "autoscaling/policy:Policy"),
        *("backup/vaultPolicy:VaultPolicy", "cloudwatch/compositeAlarm:CompositeAlarm"),
        *("cloudwatch/eventRule:EventRule", "cloudwatch/eventTarget:EventTarget"),
        *("cloudwatch/metricAlarm:MetricAlarm", "ec2/defaultSecurityGroup:DefaultSecurityGroup"),
        *("ecr/lifecyclePolicy:LifecyclePolicy", "ecr/replicationConfiguration:ReplicationConfiguration"),
        *("eks/accessPolicyAssociation:AccessPolicyAssociation", "iam/rolePolicy:RolePolicy"),
        *(
            "iam/rolePolicyAttachment:RolePolicyAttachment",
            "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        ),
        *("s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "s3/bucketObjectv2:BucketObjectv2"),
        *("s3/bucketOwnershipControls:BucketOwnershipControls", "s3/bucketPolicy:BucketPolicy"),
        *("s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "s3/bucketReplicationConfig:BucketReplicationConfig"),
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        *("s3/bucketVersioning:BucketVersioning", "secretsmanager/secretVersion:SecretVersion"),
        *("sns/topic:Topic", "sns/topicPolicy:TopicPolicy"),
        "sns/topicSubscription:TopicSubscription",
    )
)
"""Types with idempotent creation: their API calls put, attach or associate."""
PROVIDER = "pulumi:providers:"
"""Type prefix of Pulumi providers, which create no cloud resources."""
OBJECT = "kubernetes:"
"""Type prefix of Kubernetes objects; the program sets the namespace and name that identify them."""

BY_NAME = {
    f"aws:{kind}": id
    for kind, id in {
        "autoscaling/group:Group": "{name}",
        "backup/logicallyAirGappedVault:LogicallyAirGappedVault": "{name}",
        "backup/restoreTestingPlan:RestoreTestingPlan": "{name}",
        "backup/restoreTestingSelection:RestoreTestingSelection": "{name}:{restoreTestingPlanName}",
        "backup/vault:Vault": "{name}",
        "cloudwatch/logGroup:LogGroup": "{name}",
        "codebuild/project:Project": "{name}",
        "ec2/route:Route": "{routeTableId}_{destinationCidrBlock}",
        "ec2/routeTableAssociation:RouteTableAssociation": "{subnetId}",
        "ecr/repository:Repository": "{name}",
        "eks/accessEntry:AccessEntry": "{clusterName}:{principalArn}",
        "eks/addon:Addon": "{clusterName}:{addonName}",
        "eks/cluster:Cluster": "{name}",
        "eks/nodeGroup:NodeGroup": "{clusterName}:{nodeGroupName}",
        "iam/instanceProfile:InstanceProfile": "{name}",
        "iam/role:Role": "{name}",
        "kms/alias:Alias": "{name}",
        "lambda/function:Function": "{name}",
        "lambda/permission:Permission": "{statementId}",
        "rds/cluster:Cluster": "{clusterIdentifier}",
        "rds/clusterInstance:ClusterInstance": "{identifier}",
        "rds/globalCluster:GlobalCluster": "{globalClusterIdentifier}",
        "rds/subnetGroup:SubnetGroup": "{name}",
        "route53/record:Record": "{zoneId}_{name}_{type}{setIdentifier}",
        "s3/bucket:Bucket": "{bucket}",
        "scheduler/schedule:Schedule": "{groupName}/{name}",
    }.items()
}
"""Format of the ID from inputs, by type (Pulumi registry, section "Import" of each type)."""

BY_TAG = {
    f"aws:{kind}": searched
    for kind, searched in {
        "acm/certificate:Certificate": "acm:certificate",
        "backup/plan:Plan": "backup:backup-plan",
        "ec2/amiCopy:AmiCopy": "ec2:image",
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
        "secretsmanager/secret:Secret": "secretsmanager:secret",
        "route53/zone:Zone": "route53:hostedzone",
        "vpc/securityGroupEgressRule:SecurityGroupEgressRule": "ec2:security-group-rule",
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule": "ec2:security-group-rule",
    }.items()
}
"""Resource types in the Resource Groups Tagging API (its guide, "Supported services"), by Pulumi type. AWS generates
the IDs of these types."""

ID_IS_ARN = ("acm", "elasticloadbalancing", "secretsmanager")
"""Services with resources that Pulumi identifies by ARN; for others, the ID is the last part of the ARN."""


@dataclass(frozen=True)
class Pending:
    """An operation with a recorded start and no recorded end.

    Args:
        urn: URN of the resource.
        doing: Type of the operation: "creating", "updating", "deleting", ...
        inputs: Inputs of the resource.
    """

    urn: str
    doing: str
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def region(self) -> str | None:
        """Region of the resource; None for a global resource."""
        return self.inputs.get("region")

    @property
    def type(self) -> str:
        """Type token of the resource: "aws:ec2/eip:Eip"."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """Logical name of the resource."""
        return self.urn.split("::", 3)[3]

    @property
    def harmless(self) -> bool:
        """Whether the resource can be created again without a duplicate or an error."""
        return self.type in AGAIN or self.type.startswith(PROVIDER)

    @property
    def named_id(self) -> str | None:
        """ID of the resource if its inputs determine it, else None."""
        if self.type.startswith(OBJECT):
            # A Helm release has namespace and name as top-level inputs, not in metadata.
            named = self.inputs.get("metadata") or self.inputs
            return "/".join(filter(None, (named.get("namespace"), named.get("name")))) or None
        if self.type not in BY_NAME:
            return None
        # The scheduler's group has a default, and the set identifier of a record is optional.
        of_set = f"_{self.inputs['setIdentifier']}" if self.inputs.get("setIdentifier") else ""
        values = {"groupName": "default", **self.inputs, "setIdentifier": of_set}
        try:
            return BY_NAME[self.type].format(**values)
        except KeyError:
            return None


def pending(deployment: Mapping[str, Any]) -> list[Pending]:
    """Return the pending operations, one for each resource.

    Args:
        deployment: The key "deployment" of `pulumi stack export`.
    """
    found = {}
    for operation in deployment.get("pending_operations") or ():
        resource = operation["resource"]
        found[resource["urn"]] = Pending(resource["urn"], operation["type"], resource.get("inputs") or {})
    return list(found.values())


def known_ids(deployment: Mapping[str, Any]) -> set[str]:
    """Return the IDs of all resources in the state."""
    return {resource["id"] for resource in deployment.get("resources") or () if resource.get("id")}


def id_of_arn(arn: str) -> str:
    """Return the ID that Pulumi uses for the resource with this ARN."""
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5]
    return arn if service in ID_IS_ARN else rest.replace(":", "/").rpartition("/")[2]


def adopted(deployment: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the deployment without pending operations and with the adopted resources.

    Args:
        deployment: The key "deployment" of `pulumi stack export`.
        ids: IDs, by URN, of resources to adopt. Pending creations of other resources are dropped.
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
        # In a replacement, the old resource follows the new one in the list; the next update deletes it.
        resources.insert(resources.index(held) if held else len(resources), made)
        if held:
            held["delete"] = True
    return result
