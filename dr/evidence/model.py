"""Values that a report shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dr.control.journal import Entry
from dr.drills.document import Judgement, Verdict
from dr.evidence.alarm_changes import AlarmRow
from dr.evidence.reading import EvidenceFile
from dr.evidence.run_record import DecisionRecord
from dr.evidence.timeline import Timeline


@dataclass(frozen=True)
class Advice:
    """Something to do.

    Args:
        subject: What it concerns.
        fact: What was found.
        action: What to do.
    """

    subject: str
    fact: str
    action: str


@dataclass(frozen=True)
class Figure:
    """A figure of the verdict.

    Args:
        name: What was measured.
        value: Its value as text; "unknown" without one.
        error: Its largest error as text; "" without one.
        objective: What it is compared with, as text; "" without an objective.
        verdict: Met, missed or unknown.
        source: "measured", "modelled" or "unknown".
        share: Value as a share of the objective; None without both.
    """

    name: str
    value: str
    error: str
    objective: str
    verdict: Verdict
    source: str
    share: float | None = None


@dataclass(frozen=True)
class PhaseShare:
    """A phase of the recovery time.

    Args:
        name: Its name.
        seconds: Its duration in seconds.
        share: Its share of the whole, 0 to 1.
    """

    name: str
    seconds: float
    share: float


@dataclass(frozen=True)
class StepRow:
    """A step as it is shown.

    Args:
        number: Its number, from 1: that of its mark on the timeline.
        name: Its name.
        title: Its title.
        phase: Phase of the recovery time; "" if it is unknown.
        outcome: Its outcome in one word (`dr.evidence.run_record`).
        seconds: Actual duration in seconds, by the clock of the expected ones; None if it is unknown.
        source: That clock: "measured", "modelled" or "unknown".
        p50_seconds: Expected duration that half of the runs do not exceed; None if it is unknown.
        p75_seconds: The same of three quarters of the runs.
        expected_source: Origin of the expected durations.
        expected_measured: Whether earlier runs measured them.
        slow: Whether it took longer than expected.
        evidence: What was measured at its end, or its error.
        look: What to look at when it is slow.
        earlier: Outcome and detail of earlier attempts.
    """

    number: int
    name: str
    title: str
    phase: str
    outcome: str
    seconds: float | None
    source: str
    p50_seconds: float | None
    p75_seconds: float | None
    expected_source: str
    expected_measured: bool
    slow: bool
    evidence: str
    look: str
    earlier: tuple[str, ...]


@dataclass(frozen=True)
class Lost:
    """A lost write.

    Args:
        name: Its object.
        acknowledged: Time of the acknowledgement, ISO 8601.
        age_seconds: Its age at the fault in seconds; None if the time of the fault is unknown.
    """

    name: str
    acknowledged: str
    age_seconds: float | None


@dataclass(frozen=True)
class Writes:
    """Writes that were looked for in the recovery region.

    Args:
        acknowledged: Number of acknowledged writes; None if no file has them.
        unknown: Number of those whose loss is unknown.
        lost: The lost ones.
        expected_loss: Data that steps were to lose, by name and age.
    """

    acknowledged: int | None
    unknown: int
    lost: tuple[Lost, ...]
    expected_loss: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """The content of a report.

    Args:
        run: ID of the run.
        kind: "drill" or "operation".
        name: Name of the drill or the operation.
        region: The recovery region; "" if it is unknown.
        tier: Deployed tier; "" if it is unknown.
        reason: Reason of the operator; "" if it is unknown.
        started: Start of the run; None if it is unknown.
        seconds: Its duration in seconds; None while it is not finished.
        result: How the run ended: "done", "failed", "interrupted" or "running".
        verdict: Met, missed or unknown; of an operation, that of its result.
        headline: The verdict as a sentence.
        detail: The most important facts as sentences.
        fault: What was injected; "" without a fault.
        recovers: Whether it is a run with a recovery, which clients and writes measure.
        figures: Figures of the verdict.
        judgements: Conditions of the verdict.
        advice: What to do next.
        phases: Phases of the recovery time, or of the run without one.
        phases_of: What the phases divide: "recovery time" or "run".
        phases_source: "measured" or "modelled".
        timeline: Clients and steps over time; None if neither is known.
        requests: Numbers of requests: sent, failed, wrong; None if no client ran.
        writes: Writes.
        steps: Steps.
        decisions: What was skipped, forced or accepted.
        processes: Time and process of each start of the run.
        alarms: Alarms before and after; None if both are unknown.
        versions: Versions of what ran, by name.
        fingerprint: Hash of code, configuration, tier and model set; "" if it is unknown.
        files: Files of the evidence folder.
        problems: Errors of the run, as text.
        entries: The journal.
    """

    run: str
    kind: str
    name: str
    region: str
    tier: str
    reason: str
    started: datetime | None
    seconds: float | None
    result: str
    verdict: Verdict
    headline: str
    detail: tuple[str, ...]
    fault: str
    recovers: bool
    figures: tuple[Figure, ...]
    judgements: tuple[Judgement, ...]
    advice: tuple[Advice, ...]
    phases: tuple[PhaseShare, ...]
    phases_of: str
    phases_source: str
    timeline: Timeline | None
    requests: Mapping[str, int] | None
    writes: Writes
    steps: tuple[StepRow, ...]
    decisions: tuple[DecisionRecord, ...]
    processes: tuple[tuple[datetime, str], ...]
    alarms: tuple[AlarmRow, ...] | None
    versions: Mapping[str, str]
    fingerprint: str
    files: tuple[EvidenceFile, ...]
    problems: tuple[str, ...]
    entries: tuple[Entry, ...]
