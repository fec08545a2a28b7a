"""Readiness of the replica: one that can be promoted, and each test breaks one thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dr.clients import Unreachable
from dr.control.contract import DatabaseRecord
from dr.data.global_database import Cluster, GlobalDatabase, Member
from dr.errors import Failed, Problem
from dr.findings import Finding, Status
from dr.operations import data_steps, database_lag, prechecks
from dr.operations.database_readiness import judge, lag, synchronized
from dr.operations.measurements import Alarms
from dr.operations.scene import Scene
from dr.topology.topology import Role
from tests.support.builders import DATABASE, half
from tests.support.scenes import scene

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
EAST, WEST = DATABASE["arn"], "arn:aws:rds:us-west-2:123456789012:cluster:ml-dr-recovery"
CLUSTER = Cluster("ml-dr-recovery", "available", "16.6", {})
MEMBERS = (Member(str(EAST), True, "connected"), Member(WEST, False, "connected"))
GLOBAL = GlobalDatabase("ml-dr", "available", "16.6", MEMBERS)


def judged(cluster: Cluster | None = CLUSTER, database: GlobalDatabase = GLOBAL, wants_sync: bool = True) -> Finding:
    return judge(WEST, "ml-dr-recovery", cluster, database, wants_sync)


def of_west(synchronization: str) -> GlobalDatabase:
    return replace(GLOBAL, members=(MEMBERS[0], Member(WEST, False, synchronization)))


def test_connected_replica_of_the_same_version_can_be_promoted() -> None:
    found = judged()

    assert (found.status, found.measured) == (
        Status.MET,
        "ml-dr-recovery is connected, with no instance: it is headless",
    )


def test_replica_that_does_not_exist_is_missed() -> None:
    assert (judged(cluster=None).status, judged(cluster=None).hint) == (Status.MISSED, "`pulumi up -s dr`")


def test_replica_that_was_detached_is_missed() -> None:
    found = judged(database=replace(GLOBAL, members=MEMBERS[:1]))

    assert (found.status, found.measured) == (Status.MISSED, "ml-dr-recovery does not belong to ml-dr")


def test_replica_that_is_not_available_is_missed() -> None:
    assert judged(replace(CLUSTER, status="upgrading")).measured == "ml-dr-recovery is upgrading"


def test_replica_of_another_version_is_missed() -> None:
    found = judged(replace(CLUSTER, engine_version="16.4"), wants_sync=False)

    assert (found.status, found.measured) == (Status.MISSED, "ml-dr-recovery has version 16.4, ml-dr 16.6")


def test_replica_that_is_not_synchronized_is_missed_by_a_switchover_only() -> None:
    behind = of_west("pending-resync")

    assert judged(database=behind).status is Status.MISSED
    assert judged(database=behind, wants_sync=False).status is Status.MET, "its primary region is lost"


def test_replica_that_writes_already_is_met() -> None:
    found = judged(database=replace(GLOBAL, members=(Member(WEST, True, ""),)))

    assert found.measured == "ml-dr-recovery is the writer of ml-dr"


def test_region_without_a_replica_is_missed_by_a_switchover_and_by_its_tier() -> None:
    recovery = DatabaseRecord.of({**DATABASE, "cluster": "", "arn": ""})
    halves = {Role.PRIMARY: half(database=DATABASE), Role.RECOVERY: replace(half(Role.RECOVERY), database=recovery)}
    found = synchronized(scene(halves=halves))

    assert (found.status, found.measured) == (Status.MISSED, "us-west-2 has no replica of ml-dr-primary")
    assert "`pulumi up -s dr`" in found.hint


# Loss ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A recovery region with a replica that was 2 s behind, and objects that were 30 s behind; tier pilot, 1 h."""
    recovery = DatabaseRecord.of({**DATABASE, "cluster": "ml-dr-recovery", "arn": WEST})
    monkeypatch.setattr(Scene, "alarms", lambda self: Alarms(NOW, ()))
    monkeypatch.setattr(data_steps, "loss", lambda scene, at: timedelta(seconds=30))
    lagging(monkeypatch, 2)
    return scene(
        halves={Role.PRIMARY: half(database=DATABASE), Role.RECOVERY: replace(half(Role.RECOVERY), database=recovery)}
    )


def lagging(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(database_lag, "lag", lambda region, cluster, at: timedelta(seconds=seconds))


def accepting(here: Scene, seconds: int) -> Scene:
    here.options = replace(here.options, accept_data_loss=timedelta(seconds=seconds))
    return here


def test_loss_within_the_objectives_of_both_classes_is_met(here: Scene) -> None:
    found = prechecks.data_loss(here)

    assert (found.status, found.measured) == (
        Status.MET,
        "at most 30 s of writes have not arrived (objective 1 h); rows: ml-dr-recovery was 2 s behind (objective 1 h)",
    )


def test_database_lag_beyond_the_objective_is_refused_with_its_value(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lagging(monkeypatch, 4000)
    found = prechecks.data_loss(here)

    assert (found.status, found.hint) == (Status.MISSED, "accept it by `--accept-data-loss 4001`, in seconds")
    assert "ml-dr-recovery was 4000 s behind" in found.measured
    assert lag(here).status is Status.MISSED


def test_larger_loss_of_the_classes_has_to_be_accepted(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lagging(monkeypatch, 4000)

    assert prechecks.data_loss(accepting(here, 3999)).status is Status.MISSED
    assert prechecks.data_loss(accepting(here, 4001)).status is Status.MET


def test_lag_that_is_not_measured_has_to_be_accepted(here: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(region: str, cluster: str, at: datetime) -> timedelta:
        raise Failed(Problem("lag", "CloudWatch has no value", "look"))

    monkeypatch.setattr(database_lag, "lag", unknown)
    found = prechecks.data_loss(here)

    assert (found.status, found.hint[:28]) == (Status.UNKNOWN, "find it by other means, then")
    assert found.measured.startswith("CloudWatch has no value; at most 30 s of writes")
    assert prechecks.data_loss(accepting(here, 60)).status is Status.INFO


def test_known_loss_beyond_the_objective_is_not_hidden_by_an_unknown_one(
    here: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(scene: Scene, at: datetime) -> timedelta:
        raise Unreachable(Problem("sentinel", "us-west-2 does not answer", "look"))

    monkeypatch.setattr(data_steps, "loss", lost)
    lagging(monkeypatch, 4000)

    assert prechecks.data_loss(here).status is Status.MISSED


def test_loss_without_a_database_is_that_of_objects(here: Scene) -> None:
    here.halves = {Role.PRIMARY: half(), Role.RECOVERY: half(Role.RECOVERY)}

    assert prechecks.data_loss(here).measured == "at most 30 s of writes have not arrived (objective 1 h)"
