"""Incident state, lease and journal in the emulator's S3: conditional writes, and processes that compete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dr.control import incident_state, lease
from dr.control.incident_state import Automation, Incident, IncidentState, Levers
from dr.control.journal import LocalJournal
from dr.control.lease import Claim, HeldLease, acquire, holder
from dr.control.shared_journal import SharedJournal
from dr.control.state_store import StateStore, Stored
from dr.errors import Failed, Invalid, Refused
from sandbox.aws.faults import parse
from sandbox.server import Running

HERE, BUCKET = "us-west-2", "control"
ADA, BOB = Claim("ada@laptop (process 7)", "run-1"), Claim("bob@server (process 8)", "run-2")


@pytest.fixture
def store(aws: Running) -> StateStore:
    where = {"LocationConstraint": HERE}
    aws.client("s3", HERE).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    return StateStore(HERE, BUCKET)


@pytest.fixture
def leases() -> Iterator[list[HeldLease]]:
    """Leases to release after the test."""
    held: list[HeldLease] = []
    yield held
    for each in held:
        each.release()


def engaged(stored: Stored) -> IncidentState:
    return replace(stored.state, levers=replace(stored.state.levers, engaged=True))


# The incident state ----------------------------------------------------------------------------------------------


def test_absent_state_is_normal_operation_and_the_first_write_creates_it(store: StateStore) -> None:
    assert store.read().state == IncidentState()
    store.update(engaged)

    assert store.read().state == IncidentState(Levers(engaged=True))


def test_all_parts_of_the_state_are_kept(store: StateStore) -> None:
    whole = IncidentState(
        Levers(True, True),
        None,
        Incident("run-1", "2026-11-28T12:00:00+00:00", "a drill"),
        None,
        Automation(False, "x"),
    )
    store.update(lambda stored: whole)

    assert store.read().state == whole


def test_concurrent_changes_of_different_parts_are_all_kept(store: StateStore) -> None:
    changes = [
        engaged,
        lambda stored: replace(stored.state, levers=replace(stored.state.levers, admitted=True)),
        lambda stored: replace(stored.state, automation=Automation(armed=False)),
        lambda stored: replace(stored.state, incident=Incident("run-1", "now", "a test")),
    ]
    with ThreadPoolExecutor(max_workers=len(changes)) as pool:
        list(pool.map(store.update, changes))
    found = store.read().state

    assert (found.levers, found.automation.armed) == (Levers(True, True), False)
    assert found.incident


def test_state_that_changes_at_every_attempt_is_an_error_and_keeps_the_other_writers_change(
    store: StateStore, aws: Running
) -> None:
    other = aws.client("s3", HERE)
    count = iter(range(100))

    def slow(stored: Stored) -> IncidentState:
        text = IncidentState(incident=Incident(f"other-{next(count)}", "now", "a test")).to_json()
        other.put_object(Bucket=BUCKET, Key=incident_state.KEY, Body=text)
        return engaged(stored)

    with pytest.raises(Failed, match="another writer changed it 8 times in a row"):
        store.update(slow)
    found = store.read().state

    assert (found.levers.engaged, found.incident and found.incident.id) == (False, "other-7")


def test_invalid_state_is_never_overwritten(store: StateStore, aws: Running) -> None:
    aws.client("s3", HERE).put_object(Bucket=BUCKET, Key=incident_state.KEY, Body=b"{")
    with pytest.raises(Invalid, match="not a valid incident state"):
        store.update(engaged)


# The lease -------------------------------------------------------------------------------------------------------


def test_second_operator_is_refused_by_the_name_of_the_first(store: StateStore, leases: list[HeldLease]) -> None:
    leases.append(acquire(store, ADA))
    with pytest.raises(Refused) as caught:
        acquire(store, BOB)

    (problem,) = caught.value.problems
    assert f"{ADA.holder} operates, in run run-1" in problem.fact
    assert f'--take-over "{ADA.holder}"' in problem.remedy


def test_operator_who_was_taken_over_from_may_do_nothing_more(store: StateStore, leases: list[HeldLease]) -> None:
    first = acquire(store, ADA)
    leases.append(first)
    second = acquire(store, replace(BOB, take_over=ADA.holder))
    leases.append(second)

    second.check()
    assert second.generation == first.generation + 1
    for act in (first.check, lambda: first.update(lambda state: replace(state, levers=Levers(True, True)))):
        with pytest.raises(Refused, match="it was taken over: it had generation 1, and now belongs to bob@server"):
            act()
    assert store.read().state.levers == Levers()


def test_lease_that_was_not_renewed_can_be_claimed(store: StateStore, leases: list[HeldLease]) -> None:
    suspended = acquire(store, ADA)
    leases.append(suspended)
    late = (store.read().now - timedelta(seconds=1)).isoformat()
    store.update(
        lambda stored: (
            replace(stored.state, lease=replace(stored.state.lease, expires=late))
            if stored.state.lease
            else stored.state
        )
    )
    leases.append(acquire(store, BOB))

    with pytest.raises(Refused, match="taken over"):
        suspended.check()


def test_expired_lease_that_was_not_taken_is_renewed_by_its_holder(store: StateStore, leases: list[HeldLease]) -> None:
    held = acquire(store, ADA)
    leases.append(held)
    stored = store.read()
    assert stored.state.lease
    expired = replace(stored, now=stored.now + timedelta(hours=1))
    renewed = lease.claimed(expired, ADA).lease

    assert renewed
    assert renewed.generation == held.generation


def test_lease_of_a_process_that_ended_on_this_machine_is_taken_at_once(
    store: StateStore, leases: list[HeldLease]
) -> None:
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    os.waitpid(ended, 0)
    gone = holder().replace(f"process {os.getpid()}", f"process {ended}")
    leases.append(acquire(store, Claim(gone, "run-1")))

    second = acquire(store, Claim(holder(), "run-1"))
    leases.append(second)
    assert second.generation == 2


def test_released_lease_is_free_and_keeps_its_generation(store: StateStore, leases: list[HeldLease]) -> None:
    acquire(store, ADA).release()
    second = acquire(store, BOB)
    leases.append(second)

    assert second.generation == 2


# The journal -----------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(store: StateStore, tmp_path: Path) -> SharedJournal:
    return SharedJournal(HERE, BUCKET, LocalJournal(tmp_path / "journal.jsonl"))


def test_entries_are_read_back_in_order_on_another_machine(journal: SharedJournal, tmp_path: Path) -> None:
    for event in ("run.started", "step.started", "step.done"):
        journal.append("run-1", event, "engage", number=event)
    other = SharedJournal(HERE, BUCKET, LocalJournal(tmp_path / "other.jsonl"))

    assert [each.event for each in other.entries("run-1")] == ["run.started", "step.started", "step.done"]
    assert list(other.entries("run-1")) == [
        replace(each, at=found.at) for each, found in zip(journal.local.entries(), other.entries("run-1"), strict=True)
    ]
    other.append("run-1", "run.resumed")
    assert len(list(journal.entries("run-1"))) == 4
    assert journal.runs() == ["run-1"]


def test_process_that_lost_its_run_to_another_cannot_write(journal: SharedJournal, tmp_path: Path) -> None:
    journal.append("run-1", "run.started")
    SharedJournal(HERE, BUCKET, LocalJournal(tmp_path / "other.jsonl")).append("run-1", "run.resumed")
    with pytest.raises(Refused, match="entry 1 of run run-1 was written by another process"):
        journal.append("run-1", "step.started", "engage")


def test_entry_that_cannot_be_shared_is_an_error(journal: SharedJournal, aws: Running) -> None:
    denied = {"kind": "operation", "operation": "s3:PutObject", "error": "AccessDenied", "region": HERE}
    aws.emulator.faults.add(parse(denied))
    with pytest.raises(Failed, match="AccessDenied"):
        journal.append("run-1", "run.started")
