"""The recovery region as warm standby: it serves predictions, and DNS resolves to it. The tests run in their order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dr.errors import Exit
from dr.operations import client_log
from dr.operations.client_log import Clock, Request
from tests.support.client import client
from tests.support.drill import NAMESPACE, Cluster, drill, even_out, predicted, zones_with_nodes
from tests.support.network import EAST, WEST, dns_answer, load_balancer
from tests.support.sandbox import SandboxUnderTest
from tests.support.status_command import Shown, status
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

NAME, WEST_NAME = "inference.ml.example.com", "inference-dr.ml.example.com"


@pytest.fixture(scope="module", autouse=True)
def restored(deployment: SandboxUnderTest) -> Iterator[None]:
    """Change the dr stack back to pilot after all tests, if none has."""
    yield
    if tier(deployment) != "pilot":
        deployment.measure()
        deployment.configure("dr", tier=None)
        deployment.engine.up("dr")


@pytest.fixture
def warm(deployed: SandboxUnderTest) -> SandboxUnderTest:
    """The dr stack in tier warm."""
    if tier(deployed) != "warm":
        deployed.configure("dr", tier="warm")
        deployed.engine.up("dr")
    return deployed


def tier(sandbox: SandboxUnderTest) -> str:
    return str(sandbox.engine.outputs("dr")["tier"])


def alarms(sandbox: SandboxUnderTest, since: int) -> list[str]:
    """Return the subjects of messages after the first ones, except those of alarms that found their first data."""
    return [each["subject"] for each in sandbox.messages()[since:] if not each["subject"].startswith("OK: ")]


def test_change_from_pilot_to_warm_makes_the_recovery_region_serve_predictions(inside: SandboxUnderTest) -> None:
    with drill(inside, WEST, WEST_NAME) as seen:
        seen.until(lambda sample: sample.available == 0, "pilot: nothing runs")
        inside.configure("dr", tier="warm")
        seen.event("pulumi up to warm begins")
        sent = len(inside.messages())
        with inside.time_passes():
            changes = inside.engine.up("dr")
        seen.event(f"pulumi up: {changes}")
        seen.until(lambda sample: sample.available == 3 and sample.healthy == 3, "three replicas, three targets")
        answered = len(seen.failed)
        assert predicted(inside, WEST, 3) == [True] * 3
        seen.event("predictions are those of the same model run here")
        time.sleep(1)
        assert len(seen.failed) <= answered + 1
        inside.advance(10)
        assert alarms(inside, sent) == []


def test_clients_get_right_answers_of_the_recovery_region_after_the_primary_is_lost(
    warm: SandboxUnderTest, tmp_path: Path
) -> None:
    lost, sustained = load_balancer(warm, EAST), timedelta(seconds=3)
    with client(warm.local, tmp_path / "log.jsonl", 10) as logged:
        wait_for(lambda: len(served_by(EAST, logged())) > 20)
        warm.fault(kind="region", region=EAST, unreachable=True)
        fault = datetime.now(UTC)
        wait_for(lambda: any(each.failed and each.sent > fault for each in logged()))
        assert dns_answer(warm, NAME) == lost, "the health checkers have not checked"
        warm.advance(1)
        assert dns_answer(warm, NAME) == load_balancer(warm, WEST)
        # The caches expire at the latest a minute after the checkers have found the loss.
        warm.advance(1)
        wait_for(lambda: client_log.outage(logged(), fault, sustained).recovered)
    requests = client_log.parse((tmp_path / "log.jsonl").read_text())
    outage = client_log.outage(requests, fault, sustained)
    modelled = next(each.sent_modelled for each in requests if each.sent > fault)
    by_sandbox = client_log.outage(requests, modelled, sustained, Clock.MODELLED)

    print(client_log.summary(requests), outage, by_sandbox)
    assert client_log.summary(requests).wrong == client_log.summary(requests).unknown == 0
    assert [each.number for each in requests] == list(range(len(requests))), "all that was sent is logged"
    assert served_by(EAST, [each for each in requests if each.sent > fault]) == []
    assert by_sandbox.seconds is not None
    assert by_sandbox.seconds > 20, "three checks, ten seconds apart on the sandbox's clock"


def served_by(region: str, requests: list[Request]) -> list[Request]:
    return [each for each in requests if each.good and each.region == region]


def test_engaged_lever_closes_the_record_of_a_healthy_primary_region(warm: SandboxUnderTest) -> None:
    metrics = warm.client("cloudwatch", WEST)
    dimensions = [{"Name": "Lever", "Value": "engage"}, {"Name": "Workload", "Value": "ml-dr"}]

    def pull(value: int) -> None:
        data = {"MetricName": "Lever", "Dimensions": dimensions, "Value": value}
        metrics.put_metric_data(Namespace="DisasterRecovery", MetricData=[data])

    pull(1)
    try:
        assert dns_answer(warm, NAME) == load_balancer(warm, WEST)
    finally:
        pull(0)


def test_status_names_the_recovery_region_as_serving_after_the_loss_of_the_primary_and_of_the_control_planes(
    warm: SandboxUnderTest,
) -> None:
    warm.advance(5)
    normal = wait_for(lambda: served_by_primary(warm), "a report of normal operation")
    warm.lose(EAST)
    warm.advance(5)
    lost = wait_for(lambda: reported(warm, "replicas in us-west-2"), "a report with the replicas of us-west-2")

    assert (normal.report["silent"], normal.report["clients"]["region"]) == ([], EAST)
    assert (lost.code, lost.report["exit_code"]) == (Exit.FAILED, 1)
    assert (lost.report["read_from"], lost.report["silent"]) == (WEST, [EAST])
    serving = lost.report["serving"]
    assert (serving["regions"], lost.report["clients"]["region"]) == ([WEST], WEST)
    assert normal.report["serving"]["measured"] < serving["since"] < serving["measured"] <= lost.report["at"]
    assert "ml-dr-region-impaired" in {alarm["name"] for alarm in lost.report["alarms"]}
    assert lost.finding("replicas in us-west-2")["measured"] == "3 ready of 3 wanted"
    assert {lost.finding(name)["status"] for name in ("replicas in us-west-2", "model set digits")} == {"met"}
    assert lost.finding("control bucket in us-east-1")["last_known"]["status"] == "met"

    warm.lose(WEST)
    both = status(warm)
    assert (both.code, both.report["silent"]) == (Exit.UNKNOWN, [EAST, WEST])
    assert both.report["serving"]["regions"] is None
    assert both.finding("serving")["last_known"]["measured"].startswith("us-west-2 since ")
    warm.repair()
    warm.advance(5)


def served_by_primary(sandbox: SandboxUnderTest) -> Shown | None:
    """Return a report of normal operation; None if the machine was too busy to read everything before the deadline."""
    shown = status(sandbox)
    whole = shown.report["serving"]["regions"] == [EAST] and not shown.report["silent"]
    return shown if whole else None


def reported(sandbox: SandboxUnderTest, name: str) -> Shown | None:
    """Return a report in which the recovery region answered everything before the deadline."""
    shown = status(sandbox)
    return shown if WEST not in shown.report["silent"] and shown.finding(name)["status"] != "unknown" else None


@pytest.mark.parametrize("lost", [None, "us-west-2a"])
def test_recovery_region_grows_from_three_to_ten_replicas_with_and_without_a_lost_zone(
    warm: SandboxUnderTest, inside: SandboxUnderTest, lost: str | None
) -> None:
    cluster, name = Cluster(inside, WEST), "inference-service"
    shares = [5, 5] if lost else [3, 3, 4]
    with drill(inside, WEST, WEST_NAME) as seen:
        seen.until(lambda sample: sample.available == 3 and sample.healthy == 3, "three replicas, three targets")
        cluster.autoscaling.patch_namespaced_horizontal_pod_autoscaler(name, NAMESPACE, {"spec": {"minReplicas": 10}})
        if lost:
            inside.fault(kind="zone", zone=lost)
        seen.event(f"ten replicas are requested; lost zone: {lost or 'none'}")
        try:
            seen.until(lambda sample: sorted(sample.ready.values()) == shares, f"ten replicas, spread as {shares}")
        finally:
            inside.repair()
            lowered = {"spec": {"minReplicas": 3}}
            cluster.autoscaling.patch_namespaced_horizontal_pod_autoscaler(name, NAMESPACE, lowered)
        seen.until(lambda sample: sample.available == 3 and sample.waiting == 0, "three again")
        wait_for(lambda: len(zones_with_nodes(cluster)) == 3)
        even_out(cluster, 1)
        seen.until(
            lambda sample: sorted(sample.ready.values()) == [1, 1, 1] and sample.free_gpus == 0, "one in each zone"
        )


def test_change_from_warm_to_pilot_stops_every_replica(warm: SandboxUnderTest, inside: SandboxUnderTest) -> None:
    with drill(inside, WEST, WEST_NAME) as seen:
        seen.until(lambda sample: sample.available == 3 and sample.healthy == 3, "three replicas, three targets")
        inside.measure()
        inside.configure("dr", tier=None)
        sent = len(inside.messages())
        with inside.time_passes():
            inside.engine.up("dr")
        seen.event("back to pilot")
        seen.until(lambda sample: sample.available == 0 and sample.healthy == 0, "nothing runs")
        inside.advance(10)
        assert alarms(inside, sent) == []
