"""The resource tables, compared with their sources: the SDK's types and botocore's models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from sandbox.aws_plugin.calls import Call
from sandbox.aws_plugin.catalog import CATALOG
from sandbox.aws_plugin.diff import any_element
from sandbox.aws_plugin.fields import Field, build, parse, service_model
from sandbox.aws_plugin.model import ResourceType
from sandbox.aws_plugin.sdk import known_outputs, known_properties

KINDS = pytest.mark.parametrize("kind", CATALOG.values(), ids=lambda kind: kind.token)


def _paths(
    fields: Mapping[str, Field], steps: tuple[str, ...] = (), path: str = ""
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield every property: the steps to its enclosing object, its name, and its path."""
    for name, field in fields.items():
        here = f"{path}.{name}" if path else name
        yield steps, name, here
        if field.item:
            here += "[]"
        inner = field.item.children if field.item else field.children
        yield from _paths(inner, (*steps, name), here)


@KINDS
def test_every_property_exists_in_the_sdk(kind: ResourceType) -> None:
    for steps, name, path in _paths(kind.fields):
        if path != "tagsAll":
            assert name in known_properties(kind.token, steps), path


@KINDS
def test_every_output_exists_in_the_sdk(kind: ResourceType) -> None:
    assert kind.output_fields.keys() <= known_outputs(kind.token)


@KINDS
def test_resource_type_has_a_region_exactly_if_it_does_in_the_sdk(kind: ResourceType) -> None:
    assert kind.regional == ("region" in known_properties(kind.token))


@KINDS
def test_resource_type_has_tags_exactly_if_it_does_in_the_sdk(kind: ResourceType) -> None:
    # An Auto Scaling group has a list of tags of its own form.
    assert bool(kind.tags or "tags" in kind.fields) == ("tags" in known_properties(kind.token))


@KINDS
def test_every_path_in_a_table_is_a_property(kind: ResourceType) -> None:
    paths = {any_element(path) for _, _, path in _paths(kind.fields)}
    named = {*kind.defaults, *kind.computed, *kind.replace_on, *kind.replace_on_removal, *kind.equal}
    named |= {path.removesuffix("[]") for path in kind.allowed}
    named |= {name for group in kind.exclusive for name in group}
    named |= {name for choices in kind.needs.values() for name in choices} | (kind.needs.keys() - {""})
    named |= {name for names, _ in kind.update for name in names.split()}
    assert named <= paths
    assert kind.renewed <= kind.output_fields.keys()
    assert not kind.auto_name or kind.auto_name.property in paths


@KINDS
def test_every_call_is_an_operation_of_the_service(kind: ResourceType) -> None:
    model = service_model(kind.service)
    operations = {name.replace("_", "").lower() for name in model.operation_names}
    steps = [kind.create, kind.read, kind.delete, *(step for _, step in kind.update)]
    for call in (step for step in steps if isinstance(step, Call)):
        assert call.operation.replace("_", "") in operations


def test_replacing_properties_are_those_of_the_real_provider() -> None:
    assert {token.partition(":")[2]: sorted(kind.replace_on) for token, kind in CATALOG.items()} == {
        "autoscaling/group:Group": ["name"],
        "autoscaling/policy:Policy": ["autoscalingGroupName", "name"],
        "ec2/amiCopy:AmiCopy": ["encrypted", "kmsKeyId", "name", "sourceAmiId", "sourceAmiRegion"],
        "s3/bucket:Bucket": ["bucket", "objectLockEnabled"],
        "s3/bucketVersioning:BucketVersioning": ["bucket"],
        "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": ["bucket"],
        "s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ["bucket"],
        "s3/bucketOwnershipControls:BucketOwnershipControls": ["bucket"],
        "s3/bucketPolicy:BucketPolicy": ["bucket"],
        "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ["bucket"],
        "s3/bucketReplicationConfig:BucketReplicationConfig": ["bucket"],
        "s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": ["bucket", "objectLockEnabled"],
        "s3/bucketObjectv2:BucketObjectv2": ["bucket", "key"],
        "rds/cluster:Cluster": [
            *("clusterIdentifier", "databaseName", "dbSubnetGroupName", "engine", "kmsKeyId", "masterUsername"),
            "storageEncrypted",
        ],
        "rds/clusterInstance:ClusterInstance": ["clusterIdentifier", "engine", "identifier"],
        "rds/globalCluster:GlobalCluster": [
            *("databaseName", "engine", "globalClusterIdentifier", "sourceDbClusterIdentifier", "storageEncrypted"),
        ],
        "rds/subnetGroup:SubnetGroup": ["name"],
        "secretsmanager/secret:Secret": ["name"],
        "secretsmanager/secretVersion:SecretVersion": ["secretId", "secretString"],
        "kms/key:Key": ["customerMasterKeySpec", "keyUsage", "multiRegion"],
        "kms/alias:Alias": ["name"],
        "iam/role:Role": ["name", "path"],
        "iam/rolePolicy:RolePolicy": ["name", "role"],
        "iam/rolePolicyAttachment:RolePolicyAttachment": ["policyArn", "role"],
        "iam/instanceProfile:InstanceProfile": ["name", "path"],
        "backup/vault:Vault": ["kmsKeyArn", "name"],
        "backup/logicallyAirGappedVault:LogicallyAirGappedVault": [
            *("encryptionKeyArn", "maxRetentionDays", "minRetentionDays", "name"),
        ],
        "backup/restoreTestingPlan:RestoreTestingPlan": ["name"],
        "backup/restoreTestingSelection:RestoreTestingSelection": [
            "name",
            "protectedResourceType",
            "restoreTestingPlanName",
        ],
        "codebuild/project:Project": ["name"],
        "backup/vaultLockConfiguration:VaultLockConfiguration": [
            "backupVaultName",
            "changeableForDays",
            "maxRetentionDays",
            "minRetentionDays",
        ],
        "backup/vaultPolicy:VaultPolicy": ["backupVaultName"],
        "backup/plan:Plan": ["name"],
        "backup/selection:Selection": [
            "conditions",
            "iamRoleArn",
            "name",
            "notResources",
            "planId",
            "resources",
            "selectionTags",
        ],
        "route53/zone:Zone": ["delegationSetId", "name"],
        "route53/healthCheck:HealthCheck": ["measureLatency", "requestInterval", "routingControlArn", "type"],
        "route53/record:Record": ["name", "zoneId"],
        "cloudwatch/metricAlarm:MetricAlarm": ["name"],
        "cloudwatch/logGroup:LogGroup": ["name"],
        "acm/certificate:Certificate": ["domainName", "keyAlgorithm", "subjectAlternativeNames", "validationMethod"],
        "acm/certificateValidation:CertificateValidation": ["certificateArn", "validationRecordFqdns"],
        "cloudwatch/compositeAlarm:CompositeAlarm": ["actionsEnabled", "alarmName"],
        "cloudwatch/eventRule:EventRule": ["eventBusName", "name"],
        "cloudwatch/eventTarget:EventTarget": ["eventBusName", "rule", "targetId"],
        "sns/topic:Topic": ["name"],
        "sns/topicPolicy:TopicPolicy": ["arn"],
        "sns/topicSubscription:TopicSubscription": ["endpoint", "protocol", "topic"],
        "lambda/function:Function": ["name"],
        "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": ["functionName"],
        "sqs/queue:Queue": ["name"],
        "lambda/permission:Permission": [
            *("action", "function", "principal", "sourceAccount", "sourceArn", "statementId"),
        ],
        "lambda/invocation:Invocation": ["functionName", "input", "qualifier", "triggers"],
        "scheduler/schedule:Schedule": ["groupName", "name"],
        "ec2/launchTemplate:LaunchTemplate": ["name"],
        "ec2/capacityReservation:CapacityReservation": [
            "availabilityZone",
            "ebsOptimized",
            "ephemeralStorage",
            "instanceMatchCriteria",
            "instancePlatform",
            "instanceType",
            "tenancy",
        ],
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule": ["securityGroupId"],
        "vpc/securityGroupEgressRule:SecurityGroupEgressRule": ["securityGroupId"],
        "eks/cluster:Cluster": [
            "accessConfig.bootstrapClusterCreatorAdminPermissions",
            "bootstrapSelfManagedAddons",
            "kubernetesNetworkConfig.ipFamily",
            "kubernetesNetworkConfig.serviceIpv4Cidr",
            "name",
            "roleArn",
        ],
        "eks/nodeGroup:NodeGroup": [
            "amiType",
            "capacityType",
            "clusterName",
            "diskSize",
            "instanceTypes",
            "launchTemplate.id",
            "launchTemplate.name",
            "nodeGroupName",
            "nodeRoleArn",
            "subnetIds",
        ],
        "eks/addon:Addon": ["addonName", "clusterName"],
        "eks/accessEntry:AccessEntry": ["clusterName", "principalArn", "type"],
        "eks/accessPolicyAssociation:AccessPolicyAssociation": [
            "accessScope",
            "accessScope.namespaces",
            "accessScope.type",
            "clusterName",
            "policyArn",
            "principalArn",
        ],
        "eks/podIdentityAssociation:PodIdentityAssociation": ["clusterName", "namespace", "serviceAccount"],
        "lb/loadBalancer:LoadBalancer": ["internal", "loadBalancerType", "name"],
        "lb/targetGroup:TargetGroup": ["ipAddressType", "name", "port", "protocol", "targetType", "vpcId"],
        "lb/listener:Listener": ["loadBalancerArn"],
        "ecr/lifecyclePolicy:LifecyclePolicy": ["policy", "repository"],
        "ecr/replicationConfiguration:ReplicationConfiguration": [],
        "ecr/repository:Repository": ["encryptionConfigurations", "name"],
        "ec2/vpc:Vpc": ["cidrBlock", "instanceTenancy"],
        "ec2/subnet:Subnet": ["availabilityZone", "cidrBlock", "vpcId"],
        "ec2/internetGateway:InternetGateway": [],
        "ec2/eip:Eip": ["domain"],
        "ec2/natGateway:NatGateway": ["allocationId", "subnetId"],
        "ec2/routeTable:RouteTable": ["vpcId"],
        "ec2/route:Route": ["destinationCidrBlock", "routeTableId"],
        "ec2/routeTableAssociation:RouteTableAssociation": ["subnetId"],
        "ec2/securityGroup:SecurityGroup": ["description", "name", "vpcId"],
        "ec2/defaultSecurityGroup:DefaultSecurityGroup": ["vpcId"],
        "ec2/vpcEndpoint:VpcEndpoint": ["serviceName", "vpcEndpointType", "vpcId"],
        "ec2/flowLog:FlowLog": [
            *("iamRoleArn", "logDestination", "logDestinationType", "maxAggregationInterval", "trafficType", "vpcId"),
        ],
    }


def test_property_names_match_api_members_in_any_case() -> None:
    shape = service_model("s3").shape_for("ServerSideEncryptionConfiguration")
    rules = build("rules{applyServerSideEncryptionByDefault{sseAlgorithm!}}", shape)["rules"]
    assert rules.item
    algorithm = rules.item.children["applyServerSideEncryptionByDefault"].children["sseAlgorithm"]
    assert algorithm.member == "SSEAlgorithm"
    assert algorithm.required
    assert "aws:kms" in algorithm.allowed


def test_property_without_an_api_member_is_refused() -> None:
    with pytest.raises(ValueError, match="wheels: no such member of VersioningConfiguration"):
        build("status wheels", service_model("s3").shape_for("VersioningConfiguration"))


def test_invalid_table_notation_is_refused() -> None:
    with pytest.raises(ValueError, match="not a property"):
        parse("status ? wheels")


def test_limits_of_properties_come_from_botocore() -> None:
    fields = CATALOG["aws:route53/healthCheck:HealthCheck"].fields
    assert (fields["failureThreshold"].least, fields["failureThreshold"].most) == (1, 10)
    assert json.dumps(fields["type"].allowed).count("CALCULATED") == 1
