"""Guards of a drill: one healthy starting point, and each test breaks one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dr.control.contract import ClusterRecord
from dr.control.incident_state import Automation, Incident, IncidentState, Levers
from dr.drills import guards
from dr.drills.catalog import DRILLS
from dr.errors import Refused
from dr.operations.measurements import Alarm, Alarms
from dr.operations.scene import Scene
from dr.topology.detection import IMPAIRED
from dr.topology.tiers import Tier
from dr.topology.topology import AutomationMode, Role
from tests.support.builders import DATABASE, half
from tests.support.scenes import scene

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CLUSTER = ClusterRecord("ml-dr", "https://ml-dr.example", "UEVN")
INCIDENT = Incident("20261129T110000Z-a1b2c3", "2026-11-29T11:00:00+00:00", "us-east-1 is lost")


class Place:
    """An environment without faults, unless some are given."""

    def __init__(self, *faults: dict[str, Any]) -> None:
        self._faults = list(faults)

    def faults(self) -> list[dict[str, Any]]:
        return self._faults


def check(
    monkeypatch: pytest.MonkeyPatch,
    *,
    drill: str = "region-loss",
    tier: Tier = Tier.PILOT,
    cluster: ClusterRecord | None = CLUSTER,
    state: IncidentState | None = None,
    alarm: str | None = "OK",
    faults: tuple[dict[str, Any], ...] = (),
    automation: AutomationMode = AutomationMode.NOTIFY,
    database: dict[str, Any] | None = DATABASE,
) -> None:
    recovery = replace(half(Role.RECOVERY, database=database), tier=tier, cluster=cluster)
    here = scene(halves={Role.PRIMARY: half(database=database), Role.RECOVERY: recovery})
    here.topology = replace(here.topology, automation=automation)
    known = (Alarm(here.alarm_name(IMPAIRED), "us-west-2", alarm, NOW),) if alarm else ()
    monkeypatch.setattr(Scene, "alarms", lambda self: Alarms(NOW, known))
    monkeypatch.setattr(Scene, "state", lambda self: state or IncidentState())
    guards.check(here, DRILLS[drill], Place(*faults))  # type: ignore[arg-type]


@pytest.mark.parametrize("drill", DRILLS)
def test_healthy_starting_point_is_accepted(drill: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, drill=drill)


def test_loss_of_a_zone_needs_no_cluster_in_the_recovery_region(monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, drill="zone-loss", tier=Tier.BACKUP, cluster=None)


def test_loss_of_the_region_is_drilled_without_a_cluster_too(monkeypatch: pytest.MonkeyPatch) -> None:
    check(monkeypatch, drill="region-loss", tier=Tier.BACKUP, cluster=None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"state": IncidentState(incident=INCIDENT)},
            r"incident 20261129T110000Z-a1b2c3 is open \(us-east-1 is lost\)",
        ),
        ({"state": IncidentState(levers=Levers(engaged=True))}, "incident unknown is open"),
        ({"faults": ({"kind": "zone"},)}, "1 faults are injected already, the first of kind zone"),
        ({"drill": "split-brain", "tier": Tier.BACKUP, "cluster": None}, "us-west-2 has no cluster"),
        ({"alarm": "ALARM"}, "alarm region-impaired: it is in ALARM since 12:00:00 UTC"),
        ({"alarm": None}, "alarm region-impaired: it does not exist"),
        ({"drill": "capacity-shortage", "tier": Tier.WARM}, "its GPU nodes run already"),
        ({"drill": "database-loss", "database": None}, "us-west-2 has no replica of a database"),
        ({"drill": "database-loss", "database": {**DATABASE, "cluster": ""}}, "us-west-2 has no replica of a database"),
        ({"automation": AutomationMode.AUTOMATIC}, "dr:automation: it is automatic, and could act on the loss"),
    ],
)
def test_unhealthy_starting_point_is_refused(
    changes: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match=says):
        check(monkeypatch, **changes)


def test_all_problems_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused) as caught:
        check(monkeypatch, state=IncidentState(incident=INCIDENT), alarm="ALARM", faults=({"kind": "region"},))

    assert [each.subject for each in caught.value.problems] == ["no-incident", "faults", "alarm region-impaired"]


def test_paused_automation_allows_a_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    paused = IncidentState(automation=Automation(paused="drill"))

    check(monkeypatch, automation=AutomationMode.AUTOMATIC, state=paused)
