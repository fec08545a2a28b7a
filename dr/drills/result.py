"""The document of a drill, calculated from what it has seen. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dr.drills import database_judgements, judgements, writes
from dr.drills.catalog import Fault
from dr.drills.document import DrillDocument, DrillStep, Judgement, Objectives, Requests, Verdict, overall
from dr.drills.record import Record
from dr.drills.timeline import Span, phases
from dr.operations import client_log
from dr.operations.client_log import Clock, Outage, Request
from dr.operations.step_runner import Outcome
from dr.operations.steps import Phase
from dr.topology.detection import BY_TARGET_CHECKS
from dr.topology.tiers import BY_ALARM

SUSTAINED = timedelta(seconds=10)
"""How long all answers have to be right for a recovery, by the environment's clock."""
STEADY = timedelta(minutes=4)
"""How long no alarm may fire at the end, by the environment's clock: longer than the alarms' periods."""
CONFIRMED = "confirm-dns"
"""The step after which no resolver keeps the address of the primary region."""
MODELLED = ("rto_seconds", "phases", "steps")
"""Figures by the environment's clock, in which modelled durations pass."""
MEASURED = ("rpo_seconds", "requests", "lost_writes")
"""Figures by the machine's clock, and counts."""


def outage(record: Record, requests: Sequence[Request]) -> Outage:
    """Return the outage that the clients saw between the fault and the failback, by the environment's clock."""
    until = record.failback_at
    counted = [each for each in requests if until is None or each.sent < until]
    fault = record.clock(record.fault_at or record.started)
    return client_log.outage(counted, fault, SUSTAINED, Clock.MODELLED)


def document(
    record: Record, requests: Sequence[Request], fingerprint: str, versions: Mapping[str, str], ended: datetime
) -> DrillDocument:
    """Return the result of a drill.

    Args:
        record: What it has seen.
        requests: The clients' requests.
        fingerprint: What was proven.
        versions: Versions of what ran, by name.
        ended: Its end.
    """
    objectives = _objectives(record)
    summary, seen = client_log.summary(requests), outage(record, requests)
    counted = Requests(summary.sent, summary.failed, summary.wrong)
    fault = record.fault_at or record.started
    lost = writes.lost(record.writes, record.bucket, record.stopped_at or fault)
    point = writes.recovery_point(record.writes, record.stopped_at or fault)
    late = sum(not each.good for each in requests if record.failback_at and each.sent >= record.failback_at)
    found = [
        judgements.effect(seen if record.fault_at else None),
        *_detection(record),
        _recovery_time(record, seen, objectives),
        judgements.recovery_point(point, lost, len(record.writes), objectives),
        judgements.answers(counted, summary.unknown, seen.relapses + late),
        _operation(record),
        judgements.alarms(record.firing, STEADY),
        *_particular(record, requests),
    ]
    rto, error = _recovered_in(record, seen)
    return DrillDocument(
        drill=record.drill.name,
        run=record.run,
        verdict=overall(tuple(found)),
        tier=str(record.tier),
        fingerprint=fingerprint,
        started=_text(record.started),
        ended=_text(ended),
        fault=record.drill.title,
        fault_at=_text(fault),
        rto_seconds=rto,
        rto_error_seconds=error,
        rpo_seconds=point,
        objectives=objectives,
        requests=counted,
        judgements=tuple(found),
        lost_writes=(*lost, *database_judgements.lost_rows(record.rows)),
        phases=phases(record.clock(fault), record.detected, _spans(record), _end(record, seen)),
        steps=tuple(_step(record, each) for each in record.outcomes),
        modelled=MODELLED,
        measured=MEASURED,
        versions=dict(versions),
        problems=tuple(record.problems),
        region=record.recovery,
    )


def _objectives(record: Record) -> Objectives:
    """Return the objectives of the tier; if a zone is lost, those of health checks of replicas, and no lost write."""
    if record.drill.fault is Fault.ZONE:
        return Objectives(BY_TARGET_CHECKS.total_seconds(), 0.0)
    spec = record.tier.spec
    return Objectives(spec.rto.total_seconds(), spec.rpo.total_seconds())


def _detection(record: Record) -> list[Judgement]:
    fault = _fault(record)
    match record.drill.fault:
        case Fault.REGION | Fault.DATABASE:
            return [judgements.detection(fault, record.detected, BY_ALARM)]
        case Fault.INFERENCE:
            shown = judgements.shown(fault, record.detected, record.shown)
            return [shown, judgements.health_checks(fault, record.witnesses)]
        case Fault.ZONE | Fault.CONNECTIONS | Fault.DATA | Fault.BACKUPS:
            return []


def _recovery_time(record: Record, seen: Outage, objectives: Objectives) -> Judgement:
    if record.drill.fault is Fault.DATABASE:
        return database_judgements.recovery_time(_fault(record), record.rows, objectives)
    return judgements.recovery_time(seen, objectives)


def _recovered_in(record: Record, seen: Outage) -> tuple[float | None, float | None]:
    """Return the recovery time in seconds, and its error: that of the database, if it is the one that is lost."""
    if record.drill.fault is Fault.DATABASE:
        return database_judgements.seconds(_fault(record), record.rows), None
    return _rounded(seen.seconds), _rounded(seen.resolution)


def _end(record: Record, seen: Outage) -> datetime | None:
    """Return the end of the recovery time, by the environment's clock; None without one."""
    if record.drill.fault is Fault.DATABASE:
        return record.rows.recovered if record.rows else None
    return seen.recovered


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _fault(record: Record) -> datetime:
    """Return the time of the fault, by the environment's clock."""
    return record.clock(record.fault_at or record.started)


def _particular(record: Record, requests: Sequence[Request]) -> list[Judgement]:
    """Judge what only this drill has to show."""
    found = []
    if record.drill.killed:
        run = record.made.run if record.made and record.made.resumes else None
        found.append(judgements.resumed(run, record.resumed_seconds))
    if record.drill.shortage:
        found.append(judgements.fallback(record.nodes, record.short))
    if record.drill.returns:
        away = [each for each in requests if record.failback_at is None or each.sent < record.failback_at]
        confirmed = [each.started + each.duration for each in record.outcomes if each.step == CONFIRMED]
        found.append(judgements.one_region(away, record.home, confirmed[0] if confirmed else None))
    if record.drill.fault is Fault.DATABASE:
        objectives = _objectives(record)
        found += [database_judgements.rows(record.rows, objectives), database_judgements.returned(record.rows)]
    if record.zones and record.fault_at:
        after, standby = [each for each in requests if each.sent >= record.fault_at], not record.tier.spec.dns_weight
        fault = record.clock(record.fault_at)
        found.append(judgements.in_region(after, record.recovery, standby, fault, record.zones))
        found.append(judgements.replicas(record.zones))
    return found


def _operation(record: Record) -> Judgement:
    if record.drill.fault is Fault.ZONE:
        objective = "the drill ends without an error"
        if record.problems:
            return Judgement("operation", Verdict.MISSED, record.problems[0].splitlines()[0], objective)
        return Judgement("operation", Verdict.MET, "no step of an operator was needed", objective)
    objective = "failover and failback are done without an error"
    if record.problems:
        return Judgement("operation", Verdict.MISSED, record.problems[0].splitlines()[0], objective)
    if not record.made or len(record.outcomes) < len(record.made.steps) or not record.failed_back:
        return Judgement("operation", Verdict.MISSED, "it was not completed", objective)
    return Judgement("operation", Verdict.MET, f"{len(record.outcomes)} steps, and the failback", objective)


def _spans(record: Record) -> list[Span]:
    phase = {each.step.name: each.step.phase for each in record.made.steps} if record.made else {}
    deployed = [Span(Phase.CAPACITY, *record.deployed)] if record.deployed else []
    return deployed + [
        Span(phase[each.step], record.clock(each.started), record.clock(each.started + each.duration))
        for each in record.outcomes
    ]


def _step(record: Record, outcome: Outcome) -> DrillStep:
    planned = {each.step.name: each for each in record.made.steps} if record.made else {}
    about = planned[outcome.step]
    return DrillStep(
        name=outcome.step,
        title=outcome.title,
        started=_text(record.clock(outcome.started)),
        ended=_text(record.clock(outcome.started + outcome.duration)),
        outcome=outcome.word,
        expected=about.expected.to_dict(),
        evidence=outcome.detail,
        phase=about.step.phase.value,
    )


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
