"""Examples of EKS's types, launch templates and capacity reservations."""

from __future__ import annotations

from typing import Any

from tests.sandbox.aws_plugin.examples import KEY, ROLE, TAGS, Example, Inputs, trust
from tests.sandbox.aws_plugin.examples_ec2 import GROUP, SUBNET, VPC

CLUSTER = "aws:eks/cluster:Cluster"
NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
ADDON = "aws:eks/addon:Addon"
ACCESS_ENTRY = "aws:eks/accessEntry:AccessEntry"
ACCESS_POLICY = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
POD_IDENTITY = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
RESERVATION = "aws:ec2/capacityReservation:CapacityReservation"
INGRESS_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"

ADMIN = "arn:aws:iam::123456789012:role/platform"
NONE_CHANGED: frozenset[str] = frozenset()


def role(engine: Any, name: str, service: str) -> str:
    return str(engine.make(ROLE, name, assumeRolePolicy=trust(service)).state["arn"])


def subnets(engine: Any, name: str) -> list[str]:
    vpc = engine.make(VPC, name, cidrBlock="10.7.0.0/16").id
    return [
        engine.make(
            SUBNET, f"{name}-{zone}", vpcId=vpc, cidrBlock=f"10.7.{number}.0/24", availabilityZone=f"us-east-1{zone}"
        ).id
        for number, zone in enumerate("ab")
    ]


def cluster(engine: Any, name: str, **more: Any) -> Inputs:
    return {
        "name": name,
        "roleArn": role(engine, f"{name}-cluster", "eks.amazonaws.com"),
        "version": "1.34",
        "vpcConfig": {"subnetIds": subnets(engine, name), "endpointPrivateAccess": True, "endpointPublicAccess": False},
        "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": True},
        **more,
    }


def _cluster(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    key = engine.make(KEY, name).state["arn"]
    first = cluster(
        engine,
        name,
        enabledClusterLogTypes=["api", "audit"],
        encryptionConfig={"provider": {"keyArn": key}, "resources": ["secrets"]},
        upgradePolicy={"supportType": "STANDARD"},
        tags=TAGS,
    )
    network = {**first["vpcConfig"], "endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}
    changed = {"version": "1.35", "enabledClusterLogTypes": ["api", "audit", "authenticator"], "vpcConfig": network}
    return first, {**first, **changed, "deletionProtection": False}


def made_cluster(engine: Any, name: str) -> str:
    return str(engine.make(CLUSTER, name, **cluster(engine, name)).id)


def _template(image: str = "") -> Inputs:
    return {
        "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
        "blockDeviceMappings": [
            {"deviceName": "/dev/xvda", "ebs": {"encrypted": "true", "volumeSize": 100, "volumeType": "gp3"}}
        ],
        "monitoring": {"enabled": True},
        "tagSpecifications": [{"resourceType": "instance", "tags": {"Name": "gpu"}}],
        "updateDefaultVersion": True,
        "tags": TAGS,
    }


def _launch_template(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first = {"name": name, **_template()}
    metadata = {"httpTokens": "required", "httpPutResponseHopLimit": 2, "httpEndpoint": "enabled"}
    return first, {**first, "metadataOptions": metadata}


def _node_group(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    owner = engine.make(CLUSTER, name, **cluster(engine, name))
    template = engine.make(LAUNCH_TEMPLATE, name, name=name, **_template())
    first = {
        "clusterName": owner.id,
        "nodeGroupName": "gpu",
        "nodeRoleArn": role(engine, f"{name}-nodes", "ec2.amazonaws.com"),
        "subnetIds": owner.inputs["vpcConfig"]["subnetIds"],
        "scalingConfig": {"desiredSize": 0, "minSize": 0, "maxSize": 10},
        "launchTemplate": {"id": template.id, "version": "1"},
        "instanceTypes": ["g5.2xlarge", "g6.2xlarge"],
        "amiType": "AL2023_x86_64_NVIDIA",
        "labels": {"pool": "gpu"},
        "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
        "updateConfig": {"maxUnavailable": 1},
        "tags": TAGS,
    }
    scaling = {"desiredSize": 3, "minSize": 3, "maxSize": 10}
    return first, {**first, "scalingConfig": scaling, "labels": {"pool": "gpus"}}


def _addon(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first = {
        "clusterName": made_cluster(engine, name),
        "addonName": "aws-ebs-csi-driver",
        "podIdentityAssociations": [
            {
                "serviceAccount": "ebs-csi-controller-sa",
                "roleArn": role(engine, f"{name}-csi", "pods.eks.amazonaws.com"),
            }
        ],
        "resolveConflictsOnUpdate": "OVERWRITE",
        "tags": TAGS,
    }
    return first, {**first, "configurationValues": '{"controller":{"replicaCount":2}}'}


def _access_entry(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first = {"clusterName": made_cluster(engine, name), "principalArn": ADMIN, "tags": TAGS}
    return first, {**first, "kubernetesGroups": ["viewers"]}


def _access_policy(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    owner = made_cluster(engine, name)
    engine.make(ACCESS_ENTRY, name, clusterName=owner, principalArn=ADMIN)
    given = {
        "clusterName": owner,
        "principalArn": ADMIN,
        "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        "accessScope": {"type": "cluster"},
    }
    return given, given  # no property can be changed in place


def _pod_identity(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first, second = (role(engine, f"{name}-{number}", "pods.eks.amazonaws.com") for number in range(2))
    plain = {
        "clusterName": made_cluster(engine, name),
        "namespace": "ml-serving",
        "serviceAccount": "inference-service",
        "tags": TAGS,
    }
    return {**plain, "roleArn": first}, {**plain, "roleArn": second}


def _reservation(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {
        "instanceType": "g5.2xlarge",
        "instancePlatform": "Linux/UNIX",
        "availabilityZone": "us-east-1a",
        "tags": TAGS,
    }
    return {**plain, "instanceCount": 1}, {**plain, "instanceCount": 2}


def _ingress(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    vpc = engine.make(VPC, name, cidrBlock="10.8.0.0/16").id
    one, other = (engine.make(GROUP, f"{name}-{number}", vpcId=vpc).id for number in range(2))
    plain = {"securityGroupId": one, "referencedSecurityGroupId": other, "ipProtocol": "tcp", "toPort": 8080}
    plain |= {"tags": TAGS, "description": "inference and its health checks"}
    return {**plain, "fromPort": 8080}, {**plain, "fromPort": 8000}


def _egress(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    vpc = engine.make(VPC, name, cidrBlock="10.8.0.0/16").id
    group = engine.make(GROUP, name, vpcId=vpc).id
    plain = {"securityGroupId": group, "ipProtocol": "-1", "description": "out"}
    return {**plain, "cidrIpv4": "10.0.0.0/8"}, {**plain, "cidrIpv4": "10.8.0.0/16"}


EXAMPLES_EKS = {
    "cluster": Example(
        CLUSTER,
        _cluster,
        frozenset(
            {
                *("version", "enabledClusterLogTypes", "vpcConfig.endpointPublicAccess"),
                "vpcConfig.publicAccessCidrs",
            }
        ),
    ),
    "node-group": Example(
        NODE_GROUP,
        _node_group,
        frozenset({"scalingConfig.desiredSize", "scalingConfig.minSize", "labels.pool"}),
    ),
    "addon": Example(ADDON, _addon, frozenset({"configurationValues"})),
    "access-entry": Example(ACCESS_ENTRY, _access_entry, frozenset({"kubernetesGroups"})),
    "access-policy": Example(ACCESS_POLICY, _access_policy, NONE_CHANGED),
    "pod-identity": Example(POD_IDENTITY, _pod_identity, frozenset({"roleArn"})),
    "launch-template": Example(
        LAUNCH_TEMPLATE, _launch_template, frozenset({"metadataOptions.httpPutResponseHopLimit"})
    ),
    "capacity-reservation": Example(RESERVATION, _reservation, frozenset({"instanceCount"})),
    "ingress-rule": Example(INGRESS_RULE, _ingress, frozenset({"fromPort"})),
    "egress-rule": Example(EGRESS_RULE, _egress, frozenset({"cidrIpv4"})),
}
