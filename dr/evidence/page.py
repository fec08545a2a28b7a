"""The content of a report, calculated from an evidence folder, apart from its rendering. Pure.

All values are text, numbers and times that a page, a terminal and JSON show in the same way. What was not recorded is
unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dr.drills.document import DrillDocument, DrillStep, Verdict
from dr.evidence import phases as run_phases
from dr.evidence.advice import advice
from dr.evidence.alarm_changes import alarm_rows
from dr.evidence.clock import moment_or_none
from dr.evidence.model import Figure, Lost, Page, PhaseShare, StepRow, Writes
from dr.evidence.reading import Evidence
from dr.evidence.run_record import Attempt, Result, RunRecord, StepRecord, record
from dr.evidence.text import seconds_text
from dr.evidence.timeline import timeline
from dr.operations.operation import OPERATIONS
from dr.operations.steps import Expected, expected_from
from dr.topology.tiers import Tier

MEASURED, MODELLED, UNKNOWN = "measured", "modelled", "unknown"
RESULT_TONES = {
    Result.DONE: Verdict.MET,
    Result.FAILED: Verdict.MISSED,
    Result.INTERRUPTED: Verdict.UNKNOWN,
    Result.RUNNING: Verdict.UNKNOWN,
}


def page_of(evidence: Evidence) -> Page:
    """Return the content of the report of a run."""
    drill = evidence.document
    run = recorded_run(evidence)
    rows = _rows(run.steps, drill)
    versions = dict(drill.versions if drill else {}) | dict(evidence.versions or {})
    tier = drill.tier if drill else run.tier or versions.get("tier", "")
    figures = _figures(drill, run, tier)
    writes = _writes(evidence, run)
    judgements = drill.judgements if drill else ()
    verdict = drill.verdict if drill else RESULT_TONES[run.result]
    phases, phases_of, phases_source = _phases(drill, run)
    alarms = alarm_rows(evidence.before, evidence.after)
    requests = _requests(evidence)
    problems = (*(drill.problems if drill else ()), *((run.error,) if run.error else ()))
    return Page(
        run=evidence.run,
        kind="drill" if drill else "operation",
        name=drill.drill if drill else run.operation or "run",
        region=run.region or (drill.region if drill else ""),
        tier=tier,
        reason=run.reason or (f"drill {drill.drill}" if drill else ""),
        started=(moment_or_none(drill.started) if drill else None) or run.started,
        seconds=_seconds(drill, run),
        result=str(run.result) if run.started else "done" if drill else UNKNOWN,
        verdict=verdict,
        headline=_headline(drill, run),
        detail=_detail(drill, run, requests, writes),
        fault=drill.fault if drill else "",
        recovers=_recovers(drill),
        figures=figures,
        judgements=judgements,
        advice=advice(run, judgements, rows, writes.lost, writes.unknown, alarms, phases, drill),
        phases=phases,
        phases_of=phases_of,
        phases_source=phases_source,
        timeline=timeline(evidence, run, {each.name for each in rows if each.slow}),
        requests=requests,
        writes=writes,
        steps=rows,
        decisions=run.decisions,
        processes=run.processes,
        alarms=alarms,
        versions={name: value for name, value in versions.items() if name != "fingerprint"},
        fingerprint=(drill.fingerprint if drill else "") or versions.get("fingerprint", ""),
        files=evidence.files,
        problems=problems,
        entries=evidence.entries,
    )


def recorded_run(evidence: Evidence) -> RunRecord:
    """Return the run that the journal records; that of the operation, if a drill's journal has several runs."""
    starts = [each for each in evidence.entries if each.event == "run.started"]
    ids = list(dict.fromkeys(each.run for each in (*starts, *evidence.entries)))
    run = evidence.run if evidence.run in ids or not ids else ids[0]
    operation = next((str(each.data.get("operation", "")) for each in starts if each.run == run), "")
    known = OPERATIONS.get(operation)
    return record(run, evidence.entries, {each.name: each for each in known.steps()} if known else {})


def _figures(drill: DrillDocument | None, run: RunRecord, tier: str) -> tuple[Figure, ...]:
    verdicts = {each.name: each.verdict for each in drill.judgements} if drill else {}
    rto, rpo = (drill.rto_seconds, drill.rpo_seconds) if drill else (None, None)
    aims = drill.objectives if drill else None
    limits = (aims.rto_seconds, aims.rpo_seconds) if aims else _objectives(tier)
    error = drill.rto_error_seconds if drill else None
    found = []
    for name, value, limit, margin in (("rto", rto, limits[0], error), ("rpo", rpo, limits[1], None)):
        if not _recovers(drill):
            continue
        judged = (
            Verdict.UNKNOWN if value is None or limit is None else Verdict.MET if value <= limit else Verdict.MISSED
        )
        found.append(
            Figure(
                name=name.upper(),
                value=UNKNOWN if value is None else seconds_text(value),
                error="" if margin is None or value is None else f"at most {seconds_text(margin)}",
                objective="" if limit is None else seconds_text(limit),
                verdict=verdicts.get(name, judged),
                source=UNKNOWN if value is None or drill is None else _clock(drill, name),
                share=None if value is None or not limit else value / limit,
            )
        )
    if not drill:
        took = seconds_text(run.duration.total_seconds()) if run.duration else UNKNOWN
        source = MEASURED if run.duration else UNKNOWN
        found.insert(0, Figure("Duration", took, "", "", RESULT_TONES[run.result], source))
    return tuple(found)


def _recovers(drill: DrillDocument | None) -> bool:
    """Return whether a recovery was to be measured: not in a drill that moves no client."""
    return drill is None or drill.objectives is not None


def _objectives(tier: str) -> tuple[float | None, float | None]:
    try:
        spec = Tier(tier).spec
    except ValueError:
        return None, None
    return spec.rto.total_seconds(), spec.rpo.total_seconds()


def _clock(drill: DrillDocument, name: str) -> str:
    """Return whether a figure is measured or modelled; unknown if the document does not say."""
    names = {name, f"{name}_seconds"}
    return MODELLED if names & {*drill.modelled} else MEASURED if names & {*drill.measured} else UNKNOWN


def _phases(drill: DrillDocument | None, run: RunRecord) -> tuple[tuple[PhaseShare, ...], str, str]:
    known = bool(drill and drill.phases)
    seconds = drill.phases if drill and known else run_phases.phases(run.steps)
    total = sum(seconds.values())
    shares = tuple(PhaseShare(name, value, value / total) for name, value in seconds.items() if value > 0)
    source = _clock(drill, "phases") if drill and known else MEASURED
    return shares, "recovery time" if known else "run", source


def _requests(evidence: Evidence) -> dict[str, int] | None:
    if evidence.requests:
        answered = [each for each in evidence.requests if not each.failed]
        sent = len(evidence.requests)
        return {
            "sent": sent,
            "failed": sent - len(answered),
            "wrong": sum(each.right is False for each in answered),
        }
    if evidence.document and evidence.document.requests.sent:
        found = evidence.document.requests
        return {"sent": found.sent, "failed": found.failed, "wrong": found.wrong}
    return None


def _writes(evidence: Evidence, run: RunRecord) -> Writes:
    fault = moment_or_none(evidence.document.fault_at) if evidence.document else None
    writes = evidence.writes or ()
    if evidence.document and (evidence.document.lost_writes or evidence.writes is None):
        lost = tuple(Lost(each.name, each.acknowledged, each.age_seconds) for each in evidence.document.lost_writes)
    else:
        lost = tuple(
            Lost(
                each.name,
                each.acknowledged.isoformat(timespec="milliseconds"),
                (fault - each.acknowledged).total_seconds() if fault else None,
            )
            for each in writes
            if each.survived is False
        )
    acknowledged = None if evidence.writes is None else len(writes)
    expected = tuple(dict.fromkeys(loss for step in run.steps for loss in step.loses))
    return Writes(acknowledged, sum(each.survived is None for each in writes), lost, expected)


def _rows(steps: Sequence[StepRecord], drill: DrillDocument | None) -> tuple[StepRow, ...]:
    """Return the rows of all steps: those of the journal and those of a drill's document."""
    records = {each.name: each for each in steps}
    documents = {each.name: each for each in (drill.steps if drill else ())}
    clock = _clock(drill, "steps") if drill else UNKNOWN
    names = list(dict.fromkeys((*records, *documents)))
    return tuple(
        _row(number, records.get(name), documents.get(name), clock) for number, name in enumerate(names, start=1)
    )


def _row(number: int, step: StepRecord | None, drilled: DrillStep | None, clock: str) -> StepRow:
    known: Any = step or drilled
    decisive = step.decisive if step else None
    expected = (expected_from(drilled.expected) if drilled else None) or (step.expected if step else None)
    seconds, source = _actual(decisive, drilled, expected, clock)
    outcome = decisive.outcome if decisive else drilled.outcome if drilled else known.outcome
    limit = max(1.0, expected.p75.total_seconds()) if expected else None
    slow = bool(step and step.reported_slow)
    if outcome == "done" and seconds is not None and limit is not None:
        # The duration of a step that is done counts, not what was reported while it ran.
        slow = seconds > limit
    return StepRow(
        number=number,
        name=known.name,
        title=drilled.title if drilled else known.title,
        phase=drilled.phase if drilled and drilled.phase else step.phase if step else "",
        outcome=outcome,
        seconds=seconds,
        source=source,
        p50_seconds=expected.p50.total_seconds() if expected else None,
        p75_seconds=expected.p75.total_seconds() if expected else None,
        expected_source=expected.source if expected else "",
        expected_measured=expected.measured if expected else False,
        slow=slow,
        evidence=(decisive.detail if decisive else "") or (drilled.evidence if drilled else ""),
        look=step.look if step else "",
        earlier=tuple(
            f"{each.outcome}: {each.detail}" if each.detail else each.outcome
            for each in (step.attempts if step else ())
            if each is not decisive and each.outcome != "unneeded"
        ),
    )


def _actual(
    decisive: Attempt | None, drilled: DrillStep | None, expected: Expected | None, clock: str
) -> tuple[float | None, str]:
    """Return the actual duration of a step, and its clock.

    A drill's document has durations by its own clock, which modelled durations are compared with. Earlier runs were
    measured by the machine's clock, as the journal is.
    """
    modelled, measured = _drilled_seconds(drilled), decisive.seconds if decisive else None
    if modelled is not None and (measured is None or not (expected and expected.measured)):
        return modelled, clock
    return measured, UNKNOWN if measured is None else MEASURED


def _drilled_seconds(drilled: DrillStep | None) -> float | None:
    start = moment_or_none(drilled.started) if drilled else None
    end = moment_or_none(drilled.ended) if drilled else None
    return (end - start).total_seconds() if start and end else None


def _seconds(drill: DrillDocument | None, run: RunRecord) -> float | None:
    if drill:
        start, end = moment_or_none(drill.started), moment_or_none(drill.ended)
        if start and end:
            return (end - start).total_seconds()
    return run.duration.total_seconds() if run.duration else None


def _headline(drill: DrillDocument | None, run: RunRecord) -> str:
    if drill:
        missed = [each.name for each in drill.judgements if each.verdict is Verdict.MISSED]
        unmeasured = [each.name for each in drill.judgements if each.verdict is Verdict.UNKNOWN]
        return {
            Verdict.MET: "All objectives are met.",
            Verdict.MISSED: f"Missed: {', '.join(missed) or 'see the problems below'}.",
            Verdict.UNKNOWN: f"Not measured: {', '.join(unmeasured) or 'no condition was judged'}.",
        }[drill.verdict]
    name = (run.operation or "run").capitalize()
    return {
        Result.DONE: f"{name} is done.",
        Result.FAILED: f"{name} failed; the same command resumes it.",
        Result.INTERRUPTED: f"{name} was interrupted; the same command resumes it.",
        Result.RUNNING: f"{name} is not finished." if run.started else "The journal of this run is unknown.",
    }[run.result]


def _detail(
    drill: DrillDocument | None, run: RunRecord, requests: Mapping[str, int] | None, writes: Writes
) -> tuple[str, ...]:
    found = []
    if not _recovers(drill):
        found.append("No client was moved.")
    elif drill and drill.rto_seconds is not None:
        found.append(f"Clients got right answers {seconds_text(drill.rto_seconds)} after the fault.")
    elif drill:
        found.append("Clients got no sustained run of right answers after the fault, or it was not measured.")
    elif run.duration:
        found.append(f"It took {seconds_text(run.duration.total_seconds())}.")
    if not requests:
        found.append("No client measured this run, so errors, latency and the recovery time are unknown.")
    if writes.lost:
        count = len(writes.lost)
        found.append(f"{count} acknowledged write{'s are' if count > 1 else ' is'} lost.")
    elif writes.acknowledged and not writes.unknown:
        found.append(f"None of {writes.acknowledged} acknowledged writes is lost.")
    return tuple(found)
