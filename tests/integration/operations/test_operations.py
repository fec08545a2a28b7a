"""Failover, switchover and failback over the emulator's S3 and CloudWatch; the cluster and DNS are simulated.

tests/integration/incidents/test_failover.py runs them on a whole sandbox.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr import clients
from dr.control import contract, lease, shared_journal
from dr.control.incident_state import Automation, Incident, IncidentState, Levers
from dr.control.state_store import StateStore, Stored
from dr.errors import Failed, Refused
from dr.names import SENTINEL_KEY
from dr.operations import automatic
from dr.operations.automation import Action
from dr.operations.operation import FAILBACK, FAILOVER, SWITCHOVER, Operation, execute, plan
from dr.operations.scene import Scene
from dr.operations.step_runner import Decision, Intervention
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from dr.topology.writers import LOCATION, REGISTRY, SCHEDULE, WRITERS
from sandbox.server import Running
from tests.support.builders import DNS, half, topology
from tests.support.databases import AWAY, Database
from tests.support.operations import (
    CLUSTER,
    DNS_OF,
    WEST,
    KilledError,
    Region,
    bucket,
    entries,
    events,
    fenced_first,
    finished,
    quick,
    reset,
    run,
    scene,
    write_sentinel,
)

SAMPLE = 9
"""Without --all, the failover is killed after every ninth API call."""


def test_plan_of_a_failover_evaluates_every_step_and_changes_nothing(deployed: Region) -> None:
    made = plan(scene(), FAILOVER)

    assert {each.name: each.status.value for each in made.findings} == {
        name: "met" for name in ("account", "primary-lost", "recovery-ready", "model-set", "database", "data-loss")
    }
    assert made.chain == (
        "open-incident", "choose-set", "activate", "replicas", "validate", "admit", "confirm-dns",
    )  # fmt: skip
    assert (deployed.acts, deployed.state()) == ([], IncidentState())


def test_failover_brings_capacity_up_and_moves_traffic(deployed: Region) -> None:
    made = run(FAILOVER)
    state = deployed.state()

    assert (deployed.replicas, list(deployed.nodes.values())) == (3, [1, 1, 1])
    assert (state.levers, state.activation, state.automation.armed) == (Levers(True, True), Tier.WARM, False)
    assert state.incident
    assert (state.incident.id, state.incident.reason) == (made.run, "us-east-1 is lost")
    assert state.lease
    assert state.lease.holder == "", "the lease is released"
    assert events(made.run)[-1] == ("run.finished", "")
    assert deployed.backups.active == [each.title for each in WRITERS]
    assert [each for each in deployed.handed if each.startswith("primary")] == [], "the lost region is not called"


def test_switchover_stops_backups_in_the_primary_region_before_they_start_in_the_other(
    deployed: Region, aws: Running
) -> None:
    deployed.primary_well = True
    write_sentinel(aws, datetime.now(UTC) + timedelta(hours=1))
    run(SWITCHOVER)

    assert deployed.handed == [
        *("primary: registry backup", "primary: cluster backup", "primary: backup location"),
        *("recovery: backup location", "recovery: cluster backup", "recovery: registry backup"),
    ]
    assert (deployed.backups_of_primary.active, len(deployed.backups.active)) == ([], 3)


def test_cluster_with_backups_of_its_own_hands_over_the_rest(deployed: Region) -> None:
    for each in (LOCATION, SCHEDULE):
        del deployed.backups.fields[each.path]

    run(FAILOVER)
    assert deployed.handed == [f"recovery: {REGISTRY.title}"]


def test_failover_that_is_done_is_not_repeated(deployed: Region) -> None:
    made = run(FAILOVER)
    with pytest.raises(Refused, match=f"it is done: incident {made.run} is open"):
        run(FAILOVER)


def test_failover_without_a_right_answer_admits_no_client(deployed: Region) -> None:
    deployed.right = False
    with pytest.raises(Failed, match=r"8 of 8 answers are wrong: .* predicts \[\[3\]\]"):
        run(quick(FAILOVER, "validate"))

    assert deployed.state().levers == Levers(engaged=True, admitted=False)
    deployed.right = True
    assert run(FAILOVER).resumes
    assert deployed.state().levers == Levers(True, True)


# Guards ----------------------------------------------------------------------------------------------------------


def broken(operation: Operation, guard: str, **options: Any) -> str:
    """Return the problem of a guard that refuses an operation, which changed nothing."""
    before = StateStore(WEST, bucket(WEST, "control")).read().state
    with pytest.raises(Refused) as caught:
        run(operation, **options)
    assert StateStore(WEST, bucket(WEST, "control")).read().state == before
    (found,) = [problem for problem in caught.value.problems if problem.subject == guard]
    return f"{found.fact}; {found.remedy}"


def test_unplanned_failover_of_a_healthy_primary_is_refused_unless_accepted(deployed: Region) -> None:
    deployed.primary_well = True

    assert "`dr switchover` moves traffic without losing data; or add `--accept primary-lost`" in broken(
        FAILOVER, "primary-lost"
    )
    made = run(FAILOVER, accept=frozenset({"primary-lost"}))
    assert ("guard.accepted", "") in events(made.run)


def test_credentials_of_another_account_are_refused(deployed: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "account_id", lambda region: "999999999999")

    said = broken(FAILOVER, "account", accept=frozenset({"account"}))
    assert "the credentials are of account 999999999999; the stacks are deployed in 123456789012" in said
    assert "--accept" not in said


def test_region_without_a_whole_model_set_is_refused(deployed: Region, aws: Running) -> None:
    s3 = aws.client("s3", WEST)
    (version,) = s3.list_object_versions(Bucket=bucket(WEST, "models"))["Versions"]
    s3.delete_object(Bucket=bucket(WEST, "models"), Key=version["Key"], VersionId=version["VersionId"])

    assert "no version of digits is whole in us-west-2" in broken(FAILOVER, "model-set")
    lost = plan(scene(), FAILOVER).loses
    assert len(lost) == 1
    assert lost[0].startswith("model set ")


def test_loss_beyond_the_objective_has_to_be_accepted_in_seconds(deployed: Region, aws: Running) -> None:
    write_sentinel(aws, datetime.now(UTC) - timedelta(hours=2))

    said = broken(FAILOVER, "data-loss")
    assert "at most 2 h of writes have not arrived (objective 1 h); accept it by `--accept-data-loss 72" in said
    assert run(FAILOVER, accept_data_loss=timedelta(hours=3)).findings


def test_switchover_during_an_incident_is_refused(deployed: Region) -> None:
    made = run(FAILOVER)
    deployed.primary_well = True

    assert f"failover {made.run} is open" in broken(SWITCHOVER, "no-incident")


def test_failover_takes_over_from_a_switchover_during_which_the_primary_is_lost(deployed: Region) -> None:
    incident = Incident("20261128T000000Z-aaaaaa", "2026-11-28T00:00:00+00:00", "a test", "switchover")
    StateStore(WEST, bucket(WEST, "control")).update(lambda stored: replace(stored.state, incident=incident))
    run(FAILOVER)
    state = deployed.state()

    assert (state.incident, state.levers) == (incident, Levers(True, True))


def test_failover_runs_again_when_the_primary_is_lost_during_a_failback(deployed: Region) -> None:
    run(FAILOVER)
    released = Levers(engaged=False, admitted=True)
    StateStore(WEST, bucket(WEST, "control")).update(lambda stored: replace(stored.state, levers=released))
    deployed.right = False
    with pytest.raises(Failed, match="answers are wrong"):
        run(quick(FAILOVER, "validate"))
    assert deployed.state().levers.engaged
    deployed.right = True
    assert run(FAILOVER).resumes, "the second run, although the first one is finished"


def test_loss_that_cannot_be_measured_has_to_be_accepted(deployed: Region, aws: Running) -> None:
    aws.client("s3", WEST).delete_object(Bucket=bucket(WEST, "control"), Key=SENTINEL_KEY)

    assert "NoSuchKey" in broken(FAILOVER, "data-loss")
    assert run(FAILOVER, accept_data_loss=timedelta(0)).findings[-1].measured.startswith("unknown, and accepted")


def test_failback_without_an_incident_is_refused(deployed: Region) -> None:
    deployed.primary_well = True
    assert "no incident is open" in broken(FAILBACK, "incident")


def test_failback_to_a_sick_primary_is_refused(deployed: Region) -> None:
    run(FAILOVER)
    assert "wait until us-east-1 is healthy" in broken(FAILBACK, "primary-well")


def test_all_guards_are_reported_together(deployed: Region, aws: Running) -> None:
    deployed.primary_well = True
    write_sentinel(aws, datetime.now(UTC) - timedelta(hours=2))
    with pytest.raises(Refused) as caught:
        run(FAILOVER)

    assert [each.subject for each in caught.value.problems] == ["primary-lost", "data-loss"]


# There and back --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("replicated")
@pytest.mark.parametrize("there_by", [FAILOVER, SWITCHOVER], ids=["failover", "switchover"])
def test_failback_returns_everything_to_normal_operation(deployed: Region, aws: Running, there_by: Operation) -> None:
    deployed.primary_well = there_by is SWITCHOVER
    write_sentinel(aws, datetime.now(UTC) + timedelta(hours=1))
    run(there_by)
    assert deployed.state().levers == Levers(True, True)
    deployed.primary_well = True
    run(FAILBACK)
    state = deployed.state()

    assert replace(state, lease=None) == IncidentState()
    assert (deployed.backups.active, len(deployed.backups_of_primary.active)) == ([], 3)
    assert (deployed.replicas, sum(deployed.nodes.values())) == (0, 0)


@pytest.mark.usefixtures("replicated")
def test_failback_returns_to_the_configured_tier_after_a_deployment_during_the_incident(
    deployed: Region, aws: Running
) -> None:
    run(FAILOVER)
    raised = half(Role.RECOVERY, dns=DNS | DNS_OF[Role.RECOVERY], cluster=CLUSTER, tier="warm", configured="pilot")
    body = json.dumps(raised.to_dict())
    aws.client("s3", WEST).put_object(Bucket=bucket(WEST, "control"), Key=contract.key_of(Role.RECOVERY), Body=body)
    deployed.primary_well = True
    run(FAILBACK)

    assert (deployed.replicas, sum(deployed.nodes.values())) == (0, 0)


def test_failback_waits_while_the_regions_differ(
    deployed: Region, replicated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dr.operations import data_steps

    monkeypatch.setattr(data_steps, "_newest", lambda region, name: {"weights.bin": region})
    run(FAILOVER)
    deployed.primary_well = True
    with pytest.raises(Failed, match=r"4 objects differ, first datasets/weights\.bin"):
        run(quick(FAILBACK, "compare-data"))

    assert deployed.state().levers.engaged, "the primary record stays closed"


# Automation ------------------------------------------------------------------------------------------------------


def started(mode: str = "automatic") -> tuple[Scene, automatic.Considered]:
    """Return what automation finds when it is started."""
    runner = {"runner": "true", "runnerImage": "registry.example.com/runner:1"}
    here = automatic.scene_of(topology(Role.RECOVERY, automation=mode, **runner))
    return here, automatic.consider(here)


def runs_started() -> list[str]:
    found = shared_journal.of_topology(topology(Role.RECOVERY)).runs()
    return [each for each in found for entry in entries(each) if entry.event == "run.started"]


def test_automation_runs_the_failover_as_an_author_of_its_own(deployed: Region) -> None:
    here, found = started()
    assert found.plan
    outcomes = automatic.act(here, found)
    state = deployed.state()

    assert [each.step for each in outcomes] == [step.name for step in FAILOVER.steps()]
    assert (state.levers, state.automation.armed) == (Levers(True, True), False)
    assert state.incident
    assert (state.incident.id, state.incident.operation) == (found.plan.run, "failover")
    assert state.incident.reason.startswith("automation: primary-silent: lost (simulated)")
    first = next(entries(found.plan.run))
    assert str(first.data["by"]).startswith("automation@")


def test_automation_does_nothing_while_a_guard_is_not_met(deployed: Region, aws: Running) -> None:
    write_sentinel(aws, datetime.now(UTC) - timedelta(hours=2))
    here, found = started()

    assert found.decision.action is Action.NOTHING
    assert found.decision.reasons[0].startswith("data-loss is missed: ")
    assert automatic.act(here, found) == []
    assert deployed.state() == IncidentState()


def test_several_starts_at_once_make_one_incident(deployed: Region) -> None:
    starts = [started() for _ in range(4)]
    assert {found.decision.action for _, found in starts} == {Action.FAILOVER}

    def act(start: tuple[Scene, automatic.Considered]) -> bool:
        try:
            return bool(automatic.act(*start))
        except Refused:
            return False

    with ThreadPoolExecutor(max_workers=len(starts)) as pool:
        assert sum(pool.map(act, starts)) == 1
    assert len(runs_started()) == 1
    assert deployed.state().incident


def test_start_that_decided_before_another_one_ended_changes_nothing(deployed: Region) -> None:
    first, late = started(), started()
    automatic.act(*first)
    before = deployed.state()

    with pytest.raises(Refused, match=r"automation: failover .* is open since"):
        automatic.act(*late)
    assert replace(deployed.state(), lease=None) == replace(before, lease=None)
    assert len(runs_started()) == 1


def test_operator_who_pauses_automation_meanwhile_stops_it(deployed: Region) -> None:
    start = started()
    StateStore(WEST, bucket(WEST, "control")).update(
        lambda stored: replace(stored.state, automation=Automation(paused="stop"))
    )

    with pytest.raises(Refused, match="an operator paused automation"):
        automatic.act(*start)
    assert deployed.state().incident is None


@pytest.mark.usefixtures("replicated")
def test_prepare_brings_up_capacity_only_and_failover_goes_on(deployed: Region) -> None:
    automatic.act(*started("prepare"))
    state = deployed.state()
    assert (deployed.replicas, state.levers, state.activation) == (3, Levers(), Tier.WARM)
    assert state.incident
    assert state.incident.operation == "prepare"
    assert started("prepare")[1].decision.action is Action.NOTHING
    assert deployed.handed == [], "backups go on in the primary region"

    run(FAILOVER)
    assert deployed.state().levers == Levers(True, True)


@pytest.mark.usefixtures("replicated")
@pytest.mark.parametrize("mode", ["prepare", "automatic"])
def test_failback_arms_automation_which_waits_for_the_delay_between_runs(
    deployed: Region, aws: Running, mode: str
) -> None:
    automatic.act(*started(mode))
    write_sentinel(aws, datetime.now(UTC) + timedelta(hours=1))
    deployed.primary_well = True
    run(FAILBACK)
    assert replace(deployed.state(), lease=None) == IncidentState()

    deployed.primary_well = False
    (reason,) = started(mode)[1].decision.reasons
    assert re.fullmatch(r"the last automatic run started \d+ s ago; the next one may start after 1 h", reason)


def test_automatic_run_whose_process_died_is_resumed_by_the_next_start(
    deployed: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: Any) -> None:
        raise KilledError

    with monkeypatch.context() as context:
        # A process that dies does not give its lease up.
        context.setattr(lease.HeldLease, "release", lambda held: held._ended.set())
        context.setattr(deployed, "merge", die)
        with pytest.raises(KilledError):
            automatic.act(*started())
    assert started()[1].decision.reasons[0].endswith(" operates")
    StateStore(WEST, bucket(WEST, "control")).update(expired)
    here, found = started()

    assert found.decision.resumes
    automatic.act(here, found)
    assert deployed.state().levers == Levers(True, True)
    assert len(set(runs_started())) == 1


def expired(stored: Stored) -> IncidentState:
    """Return the state with a lease that has expired."""
    assert stored.state.lease
    return replace(stored.state, lease=replace(stored.state.lease, expires="2026-11-28T00:00:00+00:00"))


# Whatever dies on the way ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("replicated")
def test_failover_that_is_killed_after_any_api_call_is_completed_by_the_next_run(
    deployed: Region, database: Database, die_after: Any, everything: bool
) -> None:
    hasty = replace(FAILOVER, steps=lambda: [replace(step, poll=timedelta(0)) for step in FAILOVER.steps()])
    here = scene()
    made = plan(here, hasty)
    die_after(0)
    execute(here, hasty, made)
    total = die_after.count[0]
    wanted = deployed.state()
    assert total > 20

    for number in range(1, total + 1, 1 if everything else SAMPLE):
        reset(deployed)
        database.reset()
        here = scene()
        made = plan(here, hasty)
        die_after(number)
        try:
            execute(here, hasty, made)
        except (KilledError, Refused, Failed):
            pass
        else:
            # Writes of steps that run together were not repeated this time, or the lease was not renewed.
            assert die_after.count[0] < number
        die_after(0)
        if not finished(deployed):
            again = plan(scene(), hasty)
            execute(scene(run=again.run), hasty, again, take_over=lease.holder())
        state = deployed.state()
        assert (state.levers, state.activation, deployed.replicas) == (wanted.levers, wanted.activation, 3), number
        assert (database.writer, database.instances) == (AWAY, [f"{AWAY}-incident"]), number
        assert state.incident, number
        runs = [each for each in entries(state.incident.id) if each.event == "step.started"]
        assert fenced_first([each.step for each in runs]), number


# Two operators ---------------------------------------------------------------------------------------------------


def test_operator_who_is_taken_over_from_changes_nothing_more(
    deployed: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspended = scene()
    made = plan(suspended, FAILOVER)
    original = deployed.merge

    def taken_over(path: str, change: dict[str, Any]) -> None:
        """Another operator takes over while the first one starts replicas."""
        claim = lease.Claim("bob@server (process 8)", made.run, take_over=lease.holder())
        suspended.store.update(lambda stored: lease.claimed(stored, claim))
        original(path, change)

    monkeypatch.setattr(deployed, "merge", taken_over)
    with pytest.raises(Refused, match="it was taken over"):
        execute(suspended, FAILOVER, made)

    assert not deployed.state().levers.admitted


def test_step_that_was_skipped_or_forced_is_in_the_journal_with_its_author(deployed: Region) -> None:
    deployed.right = False
    here = scene()
    made = plan(here, FAILOVER)
    decision = Decision(Intervention.SKIP, "ada@laptop", "I looked myself")
    execute(here, FAILOVER, made, decisions={"validate": decision})

    (entry,) = [each for each in entries(made.run) if each.event == "step.skipped"]
    assert (entry.step, entry.data["by"], entry.data["reason"]) == ("validate", "ada@laptop", "I looked myself")
    assert entry.data["without"] == "clients may be sent to a region that answers wrongly"
    assert deployed.state().levers.admitted
