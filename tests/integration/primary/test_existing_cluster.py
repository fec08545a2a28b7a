"""An existing VPC and cluster: the program uses them by name and does not change them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from unittest import mock

import pytest
from kubernetes import client, config

from dr.clusters.charts import BALANCER, MESH_BASE, PROMETHEUS
from dr.errors import Failed
from tests.support.charts import served_definitions
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

WEST = "us-west-2"
ABSENT = "vpc-0123456789abcdef0"


@dataclass
class Theirs:
    """The existing VPC and cluster."""

    sandbox: SandboxUnderTest
    vpc: str


@pytest.fixture(scope="module")
def theirs(primary_alone: SandboxUnderTest) -> Theirs:
    """A deployed primary stack, and an existing VPC with a cluster in the recovery region."""
    return Theirs(primary_alone, make_theirs(primary_alone))


def make_theirs(sandbox: SandboxUnderTest) -> str:
    ec2, eks, iam = (sandbox.client(service, WEST) for service in ("ec2", "eks", "iam"))
    vpc = str(ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"])
    subnets = []
    for number, (zone, role) in enumerate((zone, role) for zone in "abc" for role in ("elb", "internal-elb")):
        tags = [{"Key": f"kubernetes.io/role/{role}", "Value": "1"}]
        made = ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.1.{number}.0/24",
            AvailabilityZone=f"{WEST}{zone}",
            TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}],
        )
        subnets.append(made["Subnet"]["SubnetId"])
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="their-cluster", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    eks.create_cluster(name="theirs", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    bring_definitions(sandbox)
    return vpc


def bring_definitions(sandbox: SandboxUnderTest) -> None:
    """Create the definitions that an existing cluster must have (docs/configuration.md)."""
    with mock.patch.dict(os.environ, sandbox.engine.variables):
        api = client.ApiextensionsV1Api(config.new_client_from_config(str(sandbox.local.kubeconfig), context=WEST))
        for chart in (BALANCER, MESH_BASE, PROMETHEUS):
            for definition in served_definitions(chart):
                api.create_custom_resource_definition(definition)


@pytest.mark.parametrize(
    ("vpc", "cluster", "says"),
    [
        (ABSENT, None, f"dr:existingVpc: {ABSENT} is not in us-west-2"),
        ("", "theirs", 'dr:existingCluster: "theirs" needs its VPC in dr:existingVpc'),
        ("theirs", "others", 'dr:existingCluster: "others" is not in us-west-2'),
    ],
)
def test_missing_existing_vpc_or_cluster_stops_the_preview(theirs: Theirs, vpc: str, cluster: str, says: str) -> None:
    theirs.sandbox.configure("dr", existingVpc=theirs.vpc if vpc == "theirs" else vpc, existingCluster=cluster)
    with pytest.raises(Failed) as caught:
        theirs.sandbox.engine.preview("dr")

    assert says in str(caught.value)


def test_existing_vpc_and_cluster_are_used_without_changes(theirs: Theirs) -> None:
    sandbox = theirs.sandbox
    ec2, eks = sandbox.client("ec2", WEST), sandbox.client("eks", WEST)
    before = eks.describe_cluster(name="theirs")["cluster"]
    sandbox.configure("dr", tier="warm", existingVpc=theirs.vpc, existingCluster="theirs")
    sandbox.engine.up("dr")

    assert sandbox.engine.outputs("dr")["vpc_id"] == theirs.vpc
    of_vpc = [{"Name": "vpc-id", "Values": [theirs.vpc]}]
    assert len(ec2.describe_subnets(Filters=of_vpc)["Subnets"]) == 6
    assert ec2.describe_vpc_endpoints(Filters=of_vpc)["VpcEndpoints"] == []
    assert len(ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]) == 1
    assert eks.list_clusters()["clusters"] == ["theirs"]
    assert eks.describe_cluster(name="theirs")["cluster"] == before
    assert eks.list_addons(clusterName="theirs")["addons"] == []
    names = eks.list_nodegroups(clusterName="theirs")["nodegroups"]
    groups = [eks.describe_nodegroup(clusterName="theirs", nodegroupName=name)["nodegroup"] for name in names]
    assert {each["labels"]["pool"] for each in groups} == {"gpu"}
    assert [(len(each["subnets"]), each["scalingConfig"]["minSize"]) for each in groups] == [(1, 1)] * 3
    again = sandbox.engine.up("dr")
    assert again.none, again.changed


def test_tier_backup_removes_added_resources_and_keeps_the_existing_cluster(theirs: Theirs) -> None:
    sandbox, eks = theirs.sandbox, theirs.sandbox.client("eks", WEST)
    sandbox.measure()
    sandbox.configure("dr", tier="backup")
    sandbox.engine.up("dr")

    assert eks.list_nodegroups(clusterName="theirs")["nodegroups"] == []
    assert eks.list_pod_identity_associations(clusterName="theirs")["associations"] == []
    assert eks.list_clusters()["clusters"] == ["theirs"]
