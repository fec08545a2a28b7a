"""What to do after a run, derived from what it missed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dr.drills.document import DrillDocument, Judgement, Verdict
from dr.evidence.alarm_changes import AlarmRow
from dr.evidence.model import Advice, Lost, PhaseShare, StepRow
from dr.evidence.run_record import Result, RunRecord
from dr.evidence.text import seconds_text

PHASES = {
    "detect": "a shorter interval of the health checks, or a drill of the alarms: `dr status` shows their state",
    "decide": "an operator who is notified earlier; automation decides without one",
    "capacity": "reserved nodes (`dr:reservedGpuNodes`), other types (`dr:gpuInstanceTypes`), or a higher `dr:tier`",
    "data": "a smaller model set, or a tier in which it is loaded already (`dr:tier`)",
    "DNS": "clients that honor the time to live of 60 s; `dig` shows what they get",
    "verify": "`dr rollout --role recovery`: replicas that are slow to answer",
}
"""What shortens each phase of a recovery time."""
MISSED = {
    "effect": "the fault hit nothing: repeat the drill while `dr status` shows that the primary region serves",
    "detection": "what the prober measures (`dr status`), its log group, and its alarms",
    "operation": "the step that failed, in the table of steps and in the journal",
    "health-checks": "which of them failed (`dr status`): `dr drill region-loss` is the drill of what they detect",
    "no-failover": "`dr incidents`, and what `dig` gets for the public name: a zone's loss is no reason to fail over",
    "replicas": "`dr rollout --role primary`, and the node groups of the other zones: maximum size, capacity, quota",
    "one-region": "the lever `engage` (`dr status`), and what `dig` gets for the public name",
    "rpo": "`dr status` shows the age of the newest data that arrived; look at the replication of the primary region",
    "answers": "compare the model sets of both regions (`dr status`), then look at the log of a replica",
    "isolation": "policies of the namespace dr-drill, and whether the VPC CNI enforces them (`enableNetworkPolicy`)",
    "restored": "`dr restore` of the prefix without --yes: what is left, and why",
    "versions": "the lifecycle rules of the bucket, and who may delete versions (`s3:DeleteObjectVersion`)",
    "images": "`pulumi config set dr:supply mirror` in both stacks, `dr supply sync`, then `pulumi up` of both",
    "models": "what the replica reads: its buckets, its region, and `dr sets verify`",
    "traffic": "`dr incidents`: another operation ran during the drill, so repeat it",
    "alarms": "the alarms below that are not OK, each with its meaning",
}
"""What to look at, by missed judgement."""


def advice(
    run: RunRecord,
    judgements: Sequence[Judgement],
    steps: Sequence[StepRow],
    lost: Sequence[Lost],
    unknown_writes: int,
    alarms: Sequence[AlarmRow] | None,
    phases: Sequence[PhaseShare],
    drill: DrillDocument | None,
) -> tuple[Advice, ...]:
    """Return what to do next, the most urgent first; empty if nothing was missed.

    Args:
        run: The run.
        judgements: Conditions of a drill's verdict.
        steps: Its steps.
        lost: Lost writes.
        unknown_writes: Writes of which it is unknown whether they are lost.
        alarms: Alarms before and after; None if they are unknown.
        phases: Phases of the recovery time.
        drill: Document of the drill; None without one.
    """
    return (
        *_of_result(run, drill is not None),
        *(Advice("the drill", each, "fix this, then repeat the drill") for each in (drill.problems if drill else ())),
        *_of_judgements(judgements, phases),
        *_of_writes(lost, unknown_writes),
        *_of_decisions(run, steps),
        *_of_slow_steps(steps),
        *_of_alarms(alarms),
        *(_of_open_incident(run) if drill is None else ()),
    )


def _of_result(run: RunRecord, drilled: bool) -> Iterator[Advice]:
    again = f"`dr {run.operation}` shows what is left, and resumes this run" if run.operation else "`dr incidents`"
    if drilled:
        again = "`dr drill stop` cleans up; then repeat the drill"
    if run.result is Result.FAILED:
        yield Advice(run.operation, run.error or "a step failed", f"fix the reported problem; then {again}")
    elif run.result is Result.INTERRUPTED:
        yield Advice(run.operation, "the run was interrupted", again)
    elif run.started and run.result is Result.RUNNING:
        fact = "the journal has no end of this run"
        yield Advice(run.operation, fact, f"`dr incidents` says whether it runs; {again}")


def _of_open_incident(run: RunRecord) -> Iterator[Advice]:
    if run.result is Result.DONE and run.operation in ("failover", "switchover"):
        fact = "the incident stays open, and the recovery region serves"
        yield Advice(run.operation, fact, "`dr failback` returns to the primary region once it is healthy")


def _of_judgements(judgements: Sequence[Judgement], phases: Sequence[PhaseShare]) -> Iterator[Advice]:
    longest = max(phases, key=lambda each: each.seconds, default=None)
    for each in judgements:
        fact = f"{each.measured}; objective {each.objective}" if each.objective else each.measured
        if each.verdict is Verdict.UNKNOWN:
            yield Advice(each.name, f"not measured: {each.measured}", "repeat the drill; until then this is not proven")
        elif each.verdict is Verdict.MISSED and each.name == "rto" and longest:
            action = f"the longest phase is {longest.name} ({seconds_text(longest.seconds)}). What shortens it: "
            yield Advice(each.name, fact, action + PHASES.get(longest.name, "see the steps of this phase"))
        elif each.verdict is Verdict.MISSED:
            yield Advice(each.name, fact, MISSED.get(each.name, "see the evidence below"))


def _of_writes(lost: Sequence[Lost], unknown: int) -> Iterator[Advice]:
    if lost:
        action = "write them again from their source, or take them from the primary region once it returns"
        yield Advice("lost writes", f"{len(lost)} acknowledged writes are not in the recovery region", action)
    if unknown:
        yield Advice(
            "writes", f"it is unknown whether {unknown} writes are lost", "look for them by name: writes.jsonl"
        )


def _of_decisions(run: RunRecord, steps: Sequence[StepRow]) -> Iterator[Advice]:
    titles = {each.name: each.title for each in steps}
    for each in run.decisions:
        title = titles.get(each.subject, each.subject)
        consequence = each.consequence or "its result is unknown"
        if each.kind == "skipped":
            yield Advice(
                each.subject, f"skipped ({title}): {consequence}", "do it by hand, or confirm that it is not needed"
            )
        elif each.kind == "forced":
            yield Advice(each.subject, f"not confirmed ({title}): {consequence}", "confirm its result now")
        else:
            yield Advice(each.subject, f"guard accepted: {consequence}", "fix it before the next run relies on it")


def _of_slow_steps(steps: Sequence[StepRow]) -> Iterator[Advice]:
    for each in steps:
        if each.slow:
            took = "still running" if each.seconds is None else f"took {seconds_text(each.seconds)}"
            usual = "" if each.p75_seconds is None else f"; expected at most {seconds_text(each.p75_seconds)} (p75)"
            yield Advice(each.name, f"slow: {took}{usual}", each.look or "its log, and the evidence of the step")


def _of_alarms(alarms: Sequence[AlarmRow] | None) -> Iterator[Advice]:
    for each in alarms or ():
        if each.after == "ALARM":
            yield Advice(
                each.name, f"fires in {each.region} since {each.since:%H:%M:%S} UTC", each.description or "see it"
            )
