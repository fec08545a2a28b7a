from dataclasses import replace
from typing import Any

import pytest

from dr.clients import Unreachable
from dr.control.contract import DatabaseRecord, Half
from dr.control.incident_state import Incident, IncidentState
from dr.data import global_database
from dr.errors import Problem
from dr.preflight import guards
from dr.preflight.database_replica import left_out
from dr.topology.topology import Role
from tests.support.builders import half, topology

WANTED = topology(Role.RECOVERY, tier="warm")
WELL = IncidentState()
INCIDENT = IncidentState(incident=Incident("2026-11-23-a", "2026-11-23T03:00:00+00:00", "us-east-1 does not answer"))
NONE = DatabaseRecord(global_cluster="ml-dr", cluster="", arn="", engine_version="17.7", instance_class="db.r6g.large")
OTHER = replace(NONE, cluster="ml-dr-recovery")


def deployed(database: DatabaseRecord | None) -> Half:
    return replace(half(Role.RECOVERY), database=database)


@pytest.fixture(autouse=True)
def lost(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The regions that do not answer, and the alarms that fire."""
    found: set[str] = set()

    def read(region: str, identifier: str) -> None:
        if region in found:
            raise Unreachable(Problem(f"database cluster {identifier}", f"{region} does not answer", ""))

    monkeypatch.setattr(global_database, "read_cluster", read)
    monkeypatch.setattr(guards, "alarm_states", lambda prefix, region, names: dict.fromkeys(found, "ALARM"))
    return found


def test_replica_is_created_while_the_primary_region_is_well() -> None:
    assert left_out(WANTED, deployed(NONE), WELL) is None


def test_replica_is_left_out_while_the_primary_region_is_lost(lost: set[str]) -> None:
    lost |= {"us-east-1", "region-impaired"}
    found = left_out(WANTED, deployed(NONE), WELL)

    assert found is not None
    assert found.fact == "is left out: RDS in us-east-1 does not answer, and a replica is created from its cluster"


def test_replica_is_created_while_the_alarm_still_fires_for_a_region_that_answers(lost: set[str]) -> None:
    lost.add("region-impaired")

    assert left_out(WANTED, deployed(NONE), WELL) is None


def test_primary_region_is_asked_only_while_the_alarm_fires(lost: set[str]) -> None:
    lost.add("us-east-1")

    assert left_out(WANTED, deployed(NONE), WELL) is None


def test_replica_is_left_out_during_an_incident() -> None:
    found = left_out(WANTED, deployed(NONE), INCIDENT)

    assert found is not None
    assert found.fact == "is left out: incident 2026-11-23-a is open"
    assert WANTED.without_replica().database_instances is None


@pytest.mark.parametrize(
    ("wanted", "before"),
    [
        (WANTED, deployed(OTHER)),
        (WANTED, None),
        (topology(Role.RECOVERY, tier="backup"), deployed(NONE)),
        (topology(Role.RECOVERY, tier="warm", database="none"), deployed(NONE)),
        (topology(Role.PRIMARY), deployed(NONE)),
    ],
    ids=["exists", "first-deployment", "tier-without-a-replica", "without-a-database", "primary-stack"],
)
def test_replica_that_exists_or_is_not_wanted_is_never_left_out(lost: set[str], wanted: Any, before: Any) -> None:
    lost |= {"us-east-1", "region-impaired"}

    assert left_out(wanted, before, INCIDENT) is None
