"""The function that starts automation: one loss for which it starts a build; each test changes one fact."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.control.incident_state import Automation, Incident, IncidentState, Lease
from dr.control.state_store import StateStore, Stored
from dr.errors import Failed, Invalid
from dr.functions import failover_trigger, first_run
from dr.operations.measurements import Alarm, Alarms

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SETTINGS = {
    "AWS_REGION": "us-west-2",
    "WORKLOAD": "ml-dr",
    "CONTROL_BUCKET": "control",
    "PROJECT": "ml-dr-automation",
    "AUTOMATION": "automatic",
    "TIER": "warm",
}
RUN = "20261128T115510Z-6f1c2a"
DEAD = Lease("automation@build (process 7)", "2026-11-28T11:56:00+00:00", 3, RUN)
ALIVE = replace(DEAD, expires="2026-11-28T12:00:30+00:00")
OPEN = IncidentState(
    incident=Incident(RUN, "2026-11-28T11:55:10+00:00", "automation: lost", "failover"),
    lease=DEAD,
    automation=Automation(armed=False),
)


@dataclass
class Region:
    """What the function finds in its region: a loss that lasts, and normal operation."""

    states: dict[str, str] = field(default_factory=lambda: {"primary-silent": "ALARM", "sentinel-stale": "ALARM"})
    since: datetime = NOW - timedelta(minutes=2)
    state: IncidentState = field(default_factory=IncidentState)
    last: datetime | None = None
    builds: list[str] = field(default_factory=list)
    """Statuses of the builds, the newest first."""
    ago: timedelta = timedelta(minutes=1)
    """Time since the end of the newest one."""
    started: list[str] = field(default_factory=list)

    def alarms(self) -> Alarms:
        found = (Alarm(f"ml-dr-{name}", "us-west-2", state, self.since) for name, state in self.states.items())
        return Alarms(NOW, tuple(found))

    def list_builds_for_project(self, **asked: str) -> dict[str, Any]:
        assert asked == {"projectName": "ml-dr-automation", "sortOrder": "DESCENDING"}
        return {"ids": [f"build-{number}" for number in range(len(self.builds))]}

    def batch_get_builds(self, ids: list[str]) -> dict[str, Any]:
        """Return the builds, in no order: each took a minute, and started a minute after the end of the one before."""
        found = [self.described(id, self.builds[number], self.ago * (2 * number + 1)) for number, id in enumerate(ids)]
        return {"builds": found[::-1]}

    def start_build(self, **asked: str) -> dict[str, Any]:
        self.started.append(asked["projectName"])
        return {"build": self.described("build-new", "IN_PROGRESS", timedelta(0))}

    def described(self, id: str, status: str, ago: timedelta) -> dict[str, Any]:
        ended = {} if status == "IN_PROGRESS" else {"endTime": NOW - ago}
        return {"id": id, "buildStatus": status, "startTime": NOW - ago - timedelta(seconds=60), **ended}


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Region:
    found = Region()
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(failover_trigger, "read_alarms", lambda region, workload: found.alarms())
    monkeypatch.setattr(StateStore, "read", lambda self: Stored(found.state, "tag", NOW))
    monkeypatch.setattr(failover_trigger, "last_run", lambda journal, now: found.last)
    monkeypatch.setattr(failover_trigger, "client", lambda service, region: found)
    monkeypatch.setattr(failover_trigger, "calls", lambda subject, region: nullcontext())
    return found


def run() -> dict[str, Any]:
    return failover_trigger.handler({}, None)


def reason_against(region: Region) -> str:
    """Return the only reason for which no build is started."""
    found = run()
    assert (found["action"], found["build"], region.started) == ("nothing", "", [])
    (reason,) = found["reasons"]
    return str(reason)


@pytest.mark.parametrize(("mode", "action"), [("automatic", "failover"), ("prepare", "prepare")])
def test_lasting_loss_of_the_primary_region_starts_a_build(
    region: Region, monkeypatch: pytest.MonkeyPatch, mode: str, action: str
) -> None:
    monkeypatch.setenv("AUTOMATION", mode)

    found = run()
    assert (found["action"], found["build"], region.started) == (action, "build-new", ["ml-dr-automation"])
    assert found["reasons"] == [
        f"{name}: lost (alarm ALARM since 11:58:00 UTC)" for name in ("primary-silent", "sentinel-stale")
    ]


def test_first_run_reads_the_settings_and_starts_nothing(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failover_trigger.handler({first_run.NAME: True}, None) == {}
    assert region.started == []
    monkeypatch.delenv("PROJECT")
    with pytest.raises(Invalid, match="PROJECT"):
        failover_trigger.handler({first_run.NAME: True}, None)


def test_one_witness_starts_nothing(region: Region) -> None:
    region.states["sentinel-stale"] = "OK"

    assert reason_against(region).startswith("fewer than 2 signals see the primary region lost")


def test_unknown_witness_starts_nothing(region: Region) -> None:
    region.states["sentinel-stale"] = "INSUFFICIENT_DATA"

    assert run()["reasons"][0].startswith("a signal is unknown: sentinel-stale")
    assert region.started == []


def test_loss_has_to_last(region: Region) -> None:
    region.since = NOW - timedelta(seconds=40)

    assert reason_against(region) == "2 signals see the primary region lost for 40 s of 1 min"


def test_paused_automation_starts_nothing(region: Region) -> None:
    region.state = IncidentState(automation=Automation(paused="maintenance"))

    assert reason_against(region) == "an operator paused automation (maintenance); `dr resume` switches it on"


def test_open_incident_starts_nothing(region: Region) -> None:
    region.state = replace(OPEN, lease=replace(DEAD, holder=""))

    assert reason_against(region).startswith(f"failover {RUN} is open since")


def test_operator_at_work_prevents_a_start(region: Region) -> None:
    region.state = IncidentState(lease=replace(ALIVE, holder="eva@laptop (process 7)"))

    assert reason_against(region) == "eva@laptop (process 7) operates"


def test_run_whose_process_died_is_resumed_by_a_new_build(region: Region) -> None:
    region.state = OPEN

    assert (run()["action"], region.started) == ("failover", ["ml-dr-automation"])


def test_second_run_waits_for_the_minimum_delay(region: Region) -> None:
    region.last = NOW - timedelta(minutes=59)

    assert reason_against(region).startswith("the last automatic run started 59 min ago")


def test_tier_without_a_cluster_starts_nothing(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIER", "backup")

    assert reason_against(region).startswith("tier backup has no cluster")


def test_running_build_is_not_followed_by_another_one(region: Region) -> None:
    region.builds = ["IN_PROGRESS", "SUCCEEDED"]

    assert (run()["build"], region.started) == ("build-0", [])


def test_new_build_follows_one_that_succeeded_without_an_error(region: Region) -> None:
    region.builds = ["SUCCEEDED"]

    assert run()["build"] == "build-new"


@pytest.mark.parametrize("status", ["FAILED", "FAULT", "TIMED_OUT", "STOPPED"])
def test_build_before_that_did_not_succeed_fails_the_function_after_a_new_start(region: Region, status: str) -> None:
    region.builds = [status]

    with pytest.raises(Failed, match=f"build build-0: it ended as {status}, and build build-new runs now"):
        run()
    assert region.started == ["ml-dr-automation"]


def test_function_fails_while_the_build_after_a_failed_one_runs_so_that_its_alarm_fires(region: Region) -> None:
    region.builds = ["IN_PROGRESS", "FAILED"]

    with pytest.raises(Failed, match="build build-1: it ended as FAILED, and build build-0 runs now"):
        run()
    assert region.started == []


def test_failed_build_of_an_earlier_loss_does_not_count(region: Region) -> None:
    region.builds, region.ago = ["FAILED"], timedelta(hours=1)

    assert run()["build"] == "build-new"
