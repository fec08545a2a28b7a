"""The cost model: it counts the resources that the program creates, and every price has a source."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dr.functions import prober
from dr.operations.pulumi_cli import PulumiStack
from dr.preflight import running_nodes
from dr.topology import cost
from dr.topology.backups import DataClass
from dr.topology.cost import Line, data_cost, stack_cost, total
from dr.topology.gpu_types import GPU_TYPES
from dr.topology.prices import PRICES
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import topology
from tests.support.mocks import Cloud
from tests.support.program import run

COUNTED = {
    "KMS key": "Key",
    "hosted zone": "Zone",
    "NAT gateway": "NatGateway",
    "network load balancer": "LoadBalancer",
    "composite alarm": "CompositeAlarm",
    "EKS control plane": "eks/cluster:Cluster",
    "secret": "Secret",
}
"""Items with one unit per resource, with the resource's type."""


@pytest.fixture
def _deployable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with mock_aws():
        monkeypatch.setattr(PulumiStack, "export_state", lambda self: {})
        monkeypatch.setattr(running_nodes, "find", lambda cluster, workload, region: running_nodes.RunningNodes())
        location: Any = {"LocationConstraint": "us-west-2"}
        bucket = "ml-dr-123456789012-us-west-2-control"
        boto3.client("s3", "us-west-2").create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        yield


def quantity(lines: list[Line], item: str) -> float:
    return sum(line.quantity for line in lines if line.item == item)


def counted(cloud: Cloud) -> dict[str, float]:
    """Return the units of a stack's resources by item."""
    units: dict[str, float] = {item: len(cloud.of(kind)) for item, kind in COUNTED.items()}
    checks = cloud.of("HealthCheck").values()
    alarms = cloud.of("MetricAlarm").values()
    units["health check, AWS endpoint"] = len(checks)
    units["health check option, AWS endpoint"] = sum(
        (check.inputs["type"] == "HTTPS") + (check.inputs.get("requestInterval") == 10) for check in checks
    )
    units["metric alarm"] = sum(
        len([query for query in alarm.inputs.get("metricQueries", [{"metric": 1}]) if query.get("metric")])
        for alarm in alarms
        if alarm.inputs.get("period", 60) >= 60
    )
    units["high-resolution alarm"] = sum(alarm.inputs.get("period", 60) < 60 for alarm in alarms)
    # A secret and its replica are charged each.
    units["secret"] += sum(len(each.inputs["replicas"]) for each in cloud.of("Secret").values())
    units["Aurora db.r6g.large"] = len(cloud.of("ClusterInstance"))
    groups = cloud.of("NodeGroup").values()
    for group in groups:
        size = group.inputs["scalingConfig"]["desiredSize"]
        item = f"EC2 {group.inputs['instanceTypes'][0]}"
        units[item] = units.get(item, 0) + size
    return units


def test_automation_costs_its_alarm() -> None:
    runner = {"runner": "true", "runnerImage": "registry.example.com/runner:1"}
    without, automated = (
        stack_cost(topology(Role.RECOVERY, automation=mode, **runner)) for mode in ("notify", "automatic")
    )

    assert quantity(automated, "metric alarm") == quantity(without, "metric alarm") + 1


@pytest.mark.usefixtures("_deployable")
@pytest.mark.parametrize("tier", Tier)
def test_the_cost_model_counts_the_resources_of_the_dr_stack(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = stack_cost(topology(Role.RECOVERY, tier=str(tier)))

    units = counted(run("dr", monkeypatch, tier=str(tier)))
    assert {item: quantity(lines, item) for item in units} == units


@pytest.mark.usefixtures("_deployable")
def test_the_cost_model_counts_the_resources_of_the_primary_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = stack_cost(topology())

    units = counted(run("primary", monkeypatch))
    assert {item: quantity(lines, item) for item in units} == units


def test_the_cost_model_counts_every_metric_that_the_functions_publish() -> None:
    of_prober = {name for name in vars(prober) if name.endswith("_METRIC")}

    more = 1 + len(DataClass) - 1
    assert len(of_prober) + more + 2 == cost.CUSTOM_METRICS, "endpoints by region, and copies by class of data"


def test_a_higher_tier_costs_more() -> None:
    costs = [total(stack_cost(topology(Role.RECOVERY, tier=str(tier)))) for tier in Tier]

    assert None not in costs
    assert costs == sorted(costs, key=lambda each: each or 0)


def test_compute_cost_of_an_active_recovery_region_equals_that_of_the_primary() -> None:
    primary, recovery = stack_cost(topology()), stack_cost(topology(Role.RECOVERY, tier="active"))

    for item in ("EC2 g5.2xlarge", "EC2 m6i.large", "EKS control plane", "NAT gateway"):
        assert quantity(primary, item) == quantity(recovery, item)


def test_reserved_gpu_nodes_cost_the_same_while_they_do_not_run() -> None:
    lines = stack_cost(topology(Role.RECOVERY, tier="pilot", reservedGpuNodes="3"))

    assert quantity(lines, "EC2 g5.2xlarge") == 3


def test_a_stack_with_an_instance_type_without_a_sourced_price_has_an_unknown_cost() -> None:
    lines = stack_cost(topology(Role.RECOVERY, tier="active", gpuInstanceTypes='["p5e.48xlarge"]'))

    assert total(lines) is None


def test_every_price_has_a_source_and_every_priced_gpu_type_exists() -> None:
    assert all(price.source and price.usd > 0 for price in PRICES.values())
    types = {item.removeprefix("EC2 ") for item in PRICES if item.startswith("EC2 ")}
    assert types - {cost.SYSTEM_NODE} <= set(GPU_TYPES)


def test_an_air_gapped_copy_costs_its_transfer_and_a_storage_without_a_sourced_price() -> None:
    with_vault = data_cost(topology(Role.RECOVERY, airGappedVault="recovery"), stored_gb=1000, written_gb=100)
    volumes_only = data_cost(
        topology(Role.RECOVERY, airGappedVault="recovery", airGappedClasses='["volumes"]'), 1000, 100
    )

    assert quantity(with_vault, "transfer to another region") == 300
    assert quantity(with_vault, "AWS Backup of S3, air-gapped") == 1000
    assert total(with_vault) is None, "unknown, and not too low"
    assert quantity(volumes_only, "transfer to another region") == 200


def test_data_costs_twice_its_storage_and_its_replication_once() -> None:
    lines = data_cost(topology(Role.RECOVERY, tier="backup"), stored_gb=1000, written_gb=100)

    assert quantity(lines, "S3 Standard") == 2000
    assert quantity(lines, "S3 Replication Time Control") == 100
    assert quantity(lines, "AWS Backup of S3") == 2000, "the backup and its copy"
