"""Running GPU nodes, read from EKS and Auto Scaling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dr import clients
from dr.clients import Missing
from dr.preflight import running_nodes
from dr.preflight.running_nodes import DesiredNodes, RunningNodes, Size
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier
from sandbox.aws.faults import parse
from sandbox.server import Running

REGION, CLUSTER, WORKLOAD = "us-west-2", "ml-dr", "ml-dr"
WARM, ZONES = capacity(Workload(), Tier.WARM, 2), (f"{REGION}a", f"{REGION}b")
FLOORS = DesiredNodes({f"{REGION}a": 2, f"{REGION}b": 1}, 2)


def role(aws: Running, name: str, service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = aws.client("iam", REGION).create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    return str(made["Role"]["Arn"])


@pytest.fixture
def subnet_ids(aws: Running) -> list[str]:
    """Create a cluster and roles, and return its subnets."""
    ec2, eks = aws.client("ec2", REGION), aws.client("eks", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ids = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ab")
    ]
    cluster_role = role(aws, "cluster", "eks.amazonaws.com")
    eks.create_cluster(name=CLUSTER, roleArn=cluster_role, resourcesVpcConfig={"subnetIds": ids})
    role(aws, "nodes", "ec2.amazonaws.com")
    return ids


def make(aws: Running, subnet_ids: list[str], name: str, sizes: tuple[int, int, int], **changes: Any) -> None:
    least, now, most = sizes
    aws.client("eks", REGION).create_nodegroup(
        **{
            "clusterName": CLUSTER,
            "nodegroupName": name,
            "nodeRole": "arn:aws:iam::123456789012:role/nodes",
            "subnets": subnet_ids,
            "scalingConfig": {"minSize": least, "desiredSize": now, "maxSize": most},
            "labels": {"pool": "gpu"},
            "tags": {"workload": WORKLOAD},
            **changes,
        }
    )


def raise_to(aws: Running, group: str, nodes: int) -> None:
    """Set the desired capacity of a group, as the autoscaler does."""
    scaling = aws.client("autoscaling", REGION)
    names = [each["AutoScalingGroupName"] for each in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]]
    (name,) = [each for each in names if each.startswith(f"eks-{group}-")]
    scaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=nodes)


def found() -> RunningNodes:
    return running_nodes.find(CLUSTER, WORKLOAD, REGION)


def wanted() -> tuple[DesiredNodes, list[str]]:
    return running_nodes.wanted(WARM, ZONES, CLUSTER, WORKLOAD, REGION)


@pytest.mark.usefixtures("aws")
def test_region_without_a_cluster_has_no_running_nodes() -> None:
    assert found() == RunningNodes()
    assert wanted() == (FLOORS, [])


def test_node_counts_set_by_the_autoscaler_are_kept_above_the_floors(aws: Running, subnet_ids: list[str]) -> None:
    for zone, subnet in zip("ab", subnet_ids, strict=True):
        make(aws, [subnet], f"gpu-{zone}", (1, 1, 10))
    make(aws, subnet_ids, "system", (2, 2, 6), labels={"pool": "system"})
    raise_to(aws, "gpu-b", 5)
    raise_to(aws, "system", 4)

    assert found() == RunningNodes({ZONES[0]: Size(1, 1), ZONES[1]: Size(1, 5)}, Size(2, 4))
    assert wanted() == (DesiredNodes({ZONES[0]: 2, ZONES[1]: 5}, 4), [])


def test_nodes_of_a_group_over_two_zones_count_as_spread_over_them(aws: Running, subnet_ids: list[str]) -> None:
    make(aws, subnet_ids, "gpu", (3, 7, 10))

    assert found() == RunningNodes({ZONES[0]: Size(2, 4), ZONES[1]: Size(1, 3)})


def test_nodes_of_other_workloads_are_not_counted(aws: Running, subnet_ids: list[str]) -> None:
    make(aws, subnet_ids, "theirs", (2, 8, 8), tags={"workload": "other"})
    assert found() == RunningNodes()


def test_larger_of_a_node_group_and_its_replacement_counts(aws: Running, subnet_ids: list[str]) -> None:
    make(aws, subnet_ids[:1], "gpu-1", (3, 7, 10))
    make(aws, subnet_ids[:1], "gpu-2", (3, 3, 10))

    assert found() == RunningNodes({ZONES[0]: Size(3, 7)})


def test_unreadable_node_count_is_unknown_and_the_floor_is_deployed(aws: Running, subnet_ids: list[str]) -> None:
    make(aws, subnet_ids, "gpu", (3, 5, 10))
    aws.emulator.faults.add(parse({"kind": "operation", "operation": "eks:ListNodegroups", "error": "AccessDenied"}))
    nodes, (said,) = wanted()

    assert nodes == FLOORS
    assert said.startswith("GPU nodes of ml-dr in us-west-2: unknown, AccessDenied in us-west-2")
    assert said.endswith("the floor, 3, is deployed, and more may run")


def test_node_count_of_an_unreachable_region_is_unknown_and_the_floor_is_deployed(aws: Running) -> None:
    aws.emulator.faults.add(parse({"kind": "region", "region": REGION, "unreachable": True}))
    nodes, (said,) = wanted()

    assert (nodes, "us-west-2 does not answer" in said) == (FLOORS, True)


@pytest.mark.usefixtures("aws")
def test_missing_cluster_raises_missing() -> None:
    with pytest.raises(Missing), clients.calls("node groups", REGION):
        clients.client("eks", REGION).list_nodegroups(clusterName=CLUSTER)
