"""The operations that move service between the regions, each as a list of steps and guards: plan, then execute.

Fence first: `engage` precedes everything in which the regions could diverge, and only failback releases it. Steps that
do not depend on each other run together, so the recovery time is that of the longest chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from dr.control import levers, shared_journal
from dr.control.lease import Claim, acquire
from dr.control.shared_journal import SharedJournal
from dr.errors import DrError, Problem, Refused
from dr.findings import Finding
from dr.operations import (
    capacity_steps,
    data_steps,
    database_return_steps,
    database_steps,
    database_writer_steps,
    prechecks,
    registry_steps,
    restored_rows,
    traffic_steps,
    worker_steps,
)
from dr.operations.handover_steps import hand_over
from dr.operations.incident_steps import close_incident, open_incident
from dr.operations.prechecks import Named
from dr.operations.scene import Scene
from dr.operations.step_runner import (
    Decision,
    Outcome,
    Quiet,
    StepRunner,
    Watcher,
    measured_durations,
)
from dr.operations.steps import Expected, Phase, State, Step, Verdict, critical_path, modelled
from dr.operations.validation_steps import validate
from dr.topology.topology import Role

EARLIER_RUNS = 10
"""Runs whose durations are read."""


@dataclass(frozen=True)
class Operation:
    """An operation.

    Args:
        name: Its name, that of its command.
        steps: Makes its steps.
        guards: What is checked before the first change.
    """

    name: str
    steps: Callable[[], list[Step[Scene]]]
    guards: Sequence[Named]


def _failover_steps() -> list[Step[Scene]]:
    return [
        open_incident("failover"),
        traffic_steps.set_lever(
            "engage", "Close the primary record", levers.ENGAGE, True, ("open-incident",), Phase.DNS
        ),
        *_recovery_ready(),
        database_steps.restore(("engage",)),
        database_steps.start_instance(("restore-database",)),
        database_writer_steps.fail_over(("start-database-instance",)),
        registry_steps.start(Role.RECOVERY, ("promote-database",)),
        traffic_steps.set_lever(
            "admit", "Open the recovery record", levers.ADMIT, True, ("engage", "validate"), Phase.DNS
        ),
        traffic_steps.confirm_dns("confirm-dns", "Confirm what DNS answers", Role.RECOVERY, ("admit",)),
        hand_over("hand-over", Role.RECOVERY, True, ("admit",)),
    ]


def _switchover_steps() -> list[Step[Scene]]:
    """As a failover, but nothing is closed before the recovery region answers."""
    return [
        open_incident("switchover"),
        *_recovery_ready(),
        database_steps.start_instance(("open-incident",)),
        traffic_steps.set_lever("admit", "Open the recovery record", levers.ADMIT, True, ("validate",), Phase.DNS),
        traffic_steps.set_lever("engage", "Close the primary record", levers.ENGAGE, True, ("admit",), Phase.DNS),
        registry_steps.stop(Role.PRIMARY, ("engage",)),
        database_writer_steps.switch_over(("engage", "start-database-instance", "stop-registry")),
        traffic_steps.confirm_dns("confirm-dns", "Confirm what DNS answers", Role.RECOVERY, ("engage",)),
        hand_over("stop-backups", Role.PRIMARY, False, ("engage",)),
        data_steps.arrived(("stop-backups", "stop-registry")),
        registry_steps.start(Role.RECOVERY, ("switch-database", "arrived")),
        hand_over("hand-over", Role.RECOVERY, True, ("arrived",)),
    ]


def _recovery_ready() -> list[Step[Scene]]:
    """Return the steps from the open incident to right answers of the recovery region."""
    return [
        data_steps.choose_set(("open-incident",)),
        *_capacity(),
        validate("validate", Role.RECOVERY, ("nodes", "replicas")),
    ]


def _prepare_steps() -> list[Step[Scene]]:
    """Capacity only: the part of a failover that moves no client. `dr failover` goes on, `dr failback` undoes it."""
    return [
        open_incident("prepare"),
        data_steps.choose_set(("open-incident",)),
        *_capacity(),
    ]


def _capacity() -> list[Step[Scene]]:
    """Return the steps that raise the recovery region to the tier that serves."""
    return [
        capacity_steps.activate(("choose-set",)),
        capacity_steps.nodes(("activate",)),
        capacity_steps.replicas(("activate",)),
        worker_steps.raise_workers(("activate",)),
    ]


def _failback_steps() -> list[Step[Scene]]:
    return [
        hand_over("hand-back", Role.RECOVERY, False, ()),
        registry_steps.stop(Role.RECOVERY, ()),
        data_steps.catch_up(("hand-back", "stop-registry")),
        data_steps.compare(("catch-up",)),
        database_return_steps.synchronize(("hand-back",)),
        validate("validate-primary", Role.PRIMARY, ()),
        database_return_steps.return_writer(("synchronize-database", "compare-data", "validate-primary")),
        traffic_steps.set_lever(
            "release", "Open the primary record", levers.ENGAGE, False, ("return-database",), Phase.DNS
        ),
        traffic_steps.confirm_dns("confirm-dns", "Confirm what DNS answers", Role.PRIMARY, ("release",)),
        traffic_steps.set_lever(
            "dismiss", "Return the lever admit to normal", levers.ADMIT, False, ("confirm-dns",), Phase.DNS
        ),
        capacity_steps.lower(("confirm-dns",)),
        worker_steps.lower_workers(("confirm-dns",)),
        database_return_steps.remove(("return-database", "confirm-dns")),
        registry_steps.start(Role.PRIMARY, ("return-database",)),
        restored_rows.keep(("remove-database-instance",)),
        hand_over("start-backups", Role.PRIMARY, True, ("release",)),
        close_incident(
            (
                *("dismiss", "lower-capacity", "lower-workers", "keep-database-rows", "start-registry"),
                "start-backups",
            )
        ),
    ]


FAILOVER = Operation("failover", _failover_steps, prechecks.FAILOVER)
SWITCHOVER = Operation("switchover", _switchover_steps, prechecks.SWITCHOVER)
FAILBACK = Operation("failback", _failback_steps, prechecks.FAILBACK)
PREPARE = Operation("prepare", _prepare_steps, prechecks.PREPARE)
"""Started by automation only (`dr.operations.automation`)."""
OPERATIONS = {each.name: each for each in (FAILOVER, SWITCHOVER, FAILBACK)}


@dataclass(frozen=True)
class PlannedStep:
    """A step of a plan.

    Args:
        step: The step.
        verdict: Its evaluation; unknown if it could not be evaluated.
        expected: Its expected duration.
    """

    step: Step[Scene]
    verdict: Verdict
    expected: Expected


@dataclass(frozen=True)
class Plan:
    """What an operation would do.

    Args:
        operation: Its name.
        run: ID of the run; that of the interrupted run if it would be resumed.
        resumes: Whether an interrupted run would be resumed.
        region: The recovery region.
        findings: Findings of the guards; none when a run is resumed.
        steps: The steps, evaluated.
        chain: Names of the steps that determine the duration.
        duration: Expected duration.
    """

    operation: str
    run: str
    resumes: bool
    region: str
    findings: tuple[Finding, ...]
    steps: tuple[PlannedStep, ...]
    chain: tuple[str, ...]
    duration: timedelta

    @property
    def loses(self) -> tuple[str, ...]:
        """Data that would be lost, by name and age."""
        return tuple(each for planned in self.steps for each in planned.verdict.loses)


def interrupted(scene: Scene, operation: Operation, journal: SharedJournal) -> str:
    """Return the ID of the run that this operation has to resume; "" if it starts a new one.

    A failover also starts within an open incident: when the primary region is lost during a switchover or a failback.

    Raises:
        Refused: The operation is done already.
        Unreachable: The recovery region does not answer.
    """
    state = scene.state()
    incident = state.incident
    if incident is None or state.lease is None:
        return ""
    first, last = journal.ends(state.lease.run)
    if first is None or first.data.get("operation") != operation.name:
        return ""
    if last and last.event == "run.finished":
        if not state.levers.engaged:
            return ""
        raise Refused(
            Problem(
                operation.name,
                f"it is done: incident {incident.id} is open since {incident.opened} ({incident.reason})",
                "`dr status` says who serves; `dr failback` returns to the primary region",
            )
        )
    return state.lease.run


def plan(scene: Scene, operation: Operation) -> Plan:
    """Evaluate guards and steps in parallel, without changing anything.

    Raises:
        Refused: The operation is done already.
        Unreachable: The recovery region does not answer.
    """
    journal = shared_journal.of_topology(scene.topology)
    resumed = interrupted(scene, operation, journal)
    steps = operation.steps()
    with ThreadPoolExecutor(max_workers=2 + len(steps)) as pool:
        guards = pool.submit(prechecks.run, scene, operation.guards) if not resumed else None
        durations = pool.submit(earlier_durations, journal, operation)
        verdicts = list(pool.map(lambda step: evaluated(step, scene), steps))
        expected = durations.result()
        findings = tuple(guards.result()) if guards else ()
    planned = tuple(
        PlannedStep(step, verdict, expected.get(step.name) or modelled(step))
        for step, verdict in zip(steps, verdicts, strict=True)
    )
    needed = {
        each.step.name: timedelta(0) if each.verdict.state is State.DONE else each.expected.p50 for each in planned
    }
    chain, duration = critical_path(steps, needed)
    run = resumed or scene.options.run
    return Plan(operation.name, run, bool(resumed), scene.region, findings, planned, chain, duration)


def evaluated(step: Step[Scene], scene: Scene) -> Verdict:
    """Evaluate a step; one that cannot be evaluated yet is unknown."""
    try:
        return step.evaluate(scene)
    except DrError as error:
        return Verdict(State.UNKNOWN, error.problems[0].fact)


def earlier_durations(journal: SharedJournal, operation: Operation) -> Mapping[str, Expected]:
    """Return the durations that the newest runs measured; none if the journal cannot be read."""
    try:
        with ThreadPoolExecutor(max_workers=EARLIER_RUNS) as pool:
            ends = [last for _, last in pool.map(journal.ends, journal.runs()[-EARLIER_RUNS:])]
    except DrError:
        return {}
    return measured_durations(
        each.data["seconds"]
        for each in ends
        if each and each.event == "run.finished" and each.data["operation"] == operation.name
    )


def execute(
    scene: Scene,
    operation: Operation,
    made: Plan,
    watcher: Watcher | None = None,
    decisions: Mapping[str, Decision] | None = None,
    take_over: str = "",
    confirm: Callable[[Scene], None] = lambda scene: None,
) -> list[Outcome]:
    """Execute an operation that was planned.

    Args:
        scene: The recovery region.
        operation: The operation.
        made: Its plan.
        watcher: Observer of the run.
        decisions: Decisions of the operator by step's name.
        take_over: Holder whose lease is taken at once.
        confirm: Called once the lease is held, before anything is changed; raises `Refused` if the plan is void.

    Raises:
        Refused: A guard is not met and not accepted, or another process operates. Nothing was changed.
        DrError: A step failed. The same command resumes the run.
    """
    if not made.resumes and (refusal := prechecks.refusal(scene, operation.guards, made.findings)):
        raise refusal
    scene.lease = acquire(scene.store, Claim(scene.options.by, made.run, take_over))
    try:
        confirm(scene)
        journal = shared_journal.of_topology(scene.topology)
        for finding in made.findings:
            if not finding.passes:
                journal.append(
                    made.run,
                    "guard.accepted",
                    operation=operation.name,
                    by=scene.options.by,
                    reason=scene.options.reason,
                    guard=finding.name,
                    fact=finding.measured,
                )
        runner = StepRunner[Scene](
            journal,
            watcher or Quiet(),
            made.run,
            scene.held.check,
            {each.step.name: each.expected for each in made.steps},
            decisions or {},
            {
                "region": scene.region,
                "tier": scene.tier.value,
                "by": scene.options.by,
                "reason": scene.options.reason,
            },
        )
        return runner.execute(operation.name, operation.steps(), scene)
    finally:
        # A lease that cannot be released expires; the error of a step is not to be lost.
        with suppress(DrError):
            scene.held.release()
