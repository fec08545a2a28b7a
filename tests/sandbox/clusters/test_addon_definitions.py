"""Add-ons created by EKS's API install their definitions in the cluster."""

from __future__ import annotations

from kubernetes.client import ApiextensionsV1Api

from components.iam import trust_service
from sandbox.server import running


def test_the_snapshot_controller_add_on_installs_its_definitions() -> None:
    with running(kubernetes=True) as started:
        eks, iam = started.client("eks", "us-west-2"), started.client("iam", "us-east-1")
        role = iam.create_role(RoleName="cluster", AssumeRolePolicyDocument=trust_service("eks.amazonaws.com"))["Role"][
            "Arn"
        ]
        ec2 = started.client("ec2", "us-west-2")
        subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
        eks.create_cluster(name="one", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
        plane = started.clusters.of("us-west-2")["one"]
        defined = ApiextensionsV1Api(plane.api()).list_custom_resource_definition
        assert not defined().items
        eks.create_addon(clusterName="one", addonName="snapshot-controller")

        assert [each.spec.names.kind for each in defined().items] == ["VolumeSnapshotClass"]
