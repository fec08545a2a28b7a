"""Order of the steps of the operations: what precedes what, through all dependencies."""

from __future__ import annotations

import pytest

from dr.operations.operation import FAILBACK, FAILOVER, OPERATIONS, SWITCHOVER, Operation
from dr.operations.steps import dependencies


def before(operation: Operation, step: str) -> set[str]:
    """Return all steps that end before a step starts."""
    after = dependencies(operation.steps())
    found: set[str] = set()
    waiting = [step]
    while waiting:
        for name in after[waiting.pop()]:
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def test_failover_closes_the_primary_record_before_the_recovery_record_opens() -> None:
    assert {"open-incident", "engage", "validate"} <= before(FAILOVER, "admit")


def test_failover_closes_the_primary_record_at_once() -> None:
    assert before(FAILOVER, "engage") == {"open-incident"}


@pytest.mark.parametrize("operation", [FAILOVER, SWITCHOVER], ids=lambda each: each.name)
def test_no_client_is_admitted_before_a_right_answer_of_a_whole_set(operation: Operation) -> None:
    assert {"choose-set", "nodes", "replicas", "validate"} <= before(operation, "admit")


def test_switchover_closes_the_primary_record_only_when_the_recovery_region_answers_clients() -> None:
    assert "admit" in before(SWITCHOVER, "engage")


def test_failback_opens_the_primary_record_only_with_equal_data_and_right_answers() -> None:
    assert {"catch-up", "compare-data", "validate-primary"} <= before(FAILBACK, "release")


@pytest.mark.parametrize("step", ["dismiss", "lower-capacity", "close-incident"])
def test_failback_keeps_record_capacity_and_incident_until_no_client_uses_the_recovery_region(step: str) -> None:
    assert "confirm-dns" in before(FAILBACK, step)


def test_incident_is_closed_last() -> None:
    names = {step.name for step in FAILBACK.steps()}

    assert before(FAILBACK, "close-incident") == names - {"close-incident"}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda each: each.name)
def test_each_step_is_reached_and_says_what_skipping_it_means_or_cannot_be_skipped(operation: Operation) -> None:
    steps = operation.steps()

    assert len(dependencies(steps)) == len(steps)
    assert all(step.title and step.expected.total_seconds() > 0 for step in steps)


def test_backups_start_in_a_region_only_when_clients_use_it_and_stop_in_the_other_one_first() -> None:
    assert "admit" in before(FAILOVER, "hand-over")
    assert {"engage", "stop-backups", "arrived"} <= before(SWITCHOVER, "hand-over")
    assert "hand-back" in before(FAILBACK, "catch-up"), "the last backup is compared, too"
    assert {"hand-back", "release"} <= before(FAILBACK, "start-backups")


def test_database_is_promoted_only_after_the_primary_record_is_closed_and_with_an_instance() -> None:
    assert {"engage", "restore-database", "start-database-instance"} <= before(FAILOVER, "promote-database")
    assert {"engage", "start-database-instance"} <= before(SWITCHOVER, "switch-database")


def test_clients_of_inference_do_not_wait_for_the_database() -> None:
    assert not {step for step in before(FAILOVER, "confirm-dns") if "database" in step}


def test_registry_starts_only_where_the_database_writes_and_stops_in_the_other_region_first() -> None:
    assert {"engage", "promote-database"} <= before(FAILOVER, "start-registry")
    assert {"stop-registry", "switch-database", "arrived"} <= before(SWITCHOVER, "start-registry")
    assert "stop-registry" in before(SWITCHOVER, "switch-database"), "no row is written to the old writer any more"
    assert "stop-registry" in before(SWITCHOVER, "arrived"), "the last artifact is waited for, too"
    assert {"stop-registry", "return-database", "compare-data"} <= before(FAILBACK, "start-registry")
    assert "stop-registry" in before(FAILBACK, "catch-up")


def test_clients_of_inference_do_not_wait_for_the_registry() -> None:
    assert "start-registry" not in before(FAILOVER, "confirm-dns") | before(FAILOVER, "hand-over")


def test_failback_returns_a_synchronized_database_before_clients_and_removes_its_instance_after() -> None:
    assert "synchronize-database" in before(FAILBACK, "return-database")
    assert "return-database" in before(FAILBACK, "release")
    assert {"return-database", "confirm-dns"} <= before(FAILBACK, "remove-database-instance")
