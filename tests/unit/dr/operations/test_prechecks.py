"""Guards of operations: one compliant example, and each test breaks one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dr.clusters.api_client import ClusterApi
from dr.control.contract import ClusterRecord
from dr.errors import Failed, Problem
from dr.findings import Status, measured
from dr.operations import prechecks, signals
from dr.operations.measurements import Alarm, Alarms
from dr.operations.quorum import Sight, Signal
from dr.operations.scene import Scene
from dr.preflight.guards import RECOVERY_DOWN
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import half
from tests.support.scenes import scene

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A recovery region in tier warm, whose cluster is ready and whose alarm is OK."""
    monkeypatch.setattr(ClusterApi, "ready", lambda self: None)
    alarmed(monkeypatch, "OK")
    return in_tier(Tier.WARM)


def in_tier(tier: Tier) -> Scene:
    cluster = ClusterRecord("ml-dr", "https://ml-dr.example", "UEVN")
    recovery = replace(half(Role.RECOVERY), tier=tier, cluster=cluster)
    return scene(halves={Role.PRIMARY: half(), Role.RECOVERY: recovery})


def alarmed(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    alarm = Alarm(scene().alarm_name(RECOVERY_DOWN), "us-west-2", state, NOW)
    monkeypatch.setattr(Scene, "alarms", lambda self: Alarms(NOW, (alarm,)))


def test_region_that_serves_and_whose_cluster_is_ready_may_take_over(here: Scene) -> None:
    assert prechecks.recovery_ready(here).status is Status.MET


def test_region_that_does_not_answer_either_may_not_take_over(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    alarmed(monkeypatch, "ALARM")
    found = prechecks.recovery_ready(here)

    assert (found.status, found.measured) == (
        Status.MISSED,
        f"us-west-2 does not answer either: the alarm {RECOVERY_DOWN} is ALARM",
    )


def test_region_without_replicas_in_its_tier_is_not_judged_by_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClusterApi, "ready", lambda self: None)
    alarmed(monkeypatch, "ALARM")

    assert prechecks.recovery_ready(in_tier(Tier.PILOT)).status is Status.MET


def test_region_whose_cluster_does_not_answer_is_unknown_and_refused(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(self: ClusterApi) -> None:
        raise Failed(Problem("cluster ml-dr in us-west-2", "the API server does not answer: timed out", "check"))

    monkeypatch.setattr(ClusterApi, "ready", dead)
    guards = [each for each in prechecks.FAILOVER if each.name == "recovery-ready"]
    found = [measured(each.name, lambda each=each: each.look(here)) for each in guards]  # type: ignore[misc]
    refusal = prechecks.refusal(here, guards, found)

    assert found[0].status is Status.UNKNOWN
    assert refusal
    assert "the API server does not answer: timed out" in str(refusal)
    assert "`--accept recovery-ready`" in str(refusal)


def signalled(monkeypatch: pytest.MonkeyPatch, *found: Signal) -> None:
    monkeypatch.setattr(signals, "read", lambda scene: list(found))


WITNESSES = (Signal("primary-silent", Sight.WELL, "alarm OK"), Signal("sentinel-stale", Sight.WELL, "alarm OK"))


def test_healthy_primary_region_refuses_a_failover_and_names_the_switchover(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    signalled(monkeypatch, *WITNESSES, Signal("request", Sight.WELL, "answered 200"))
    found = prechecks.primary_lost(here)

    assert found.status is Status.MISSED
    assert found.hint == "us-east-1 is healthy: `dr switchover` moves traffic without losing data"


def test_grey_failure_is_named_where_health_checks_refuse_a_failover(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact = "answered 200, but 3 of 6 inference requests got no prediction within 2 s"
    signalled(monkeypatch, *WITNESSES, Signal("request", Sight.LOST, fact, grey=True))
    found = prechecks.primary_lost(here)
    guards = [each for each in prechecks.FAILOVER if each.name == "primary-lost"]

    assert (found.status, fact in found.measured) == (Status.MISSED, True)
    assert found.hint.startswith("a grey failure: health checks of us-east-1 pass")
    assert "`--accept primary-lost`" in str(prechecks.refusal(here, guards, [found]))
