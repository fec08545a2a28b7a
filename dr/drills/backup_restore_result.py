"""The document of a drill of restores from AWS Backup. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dr.drills.catalog import BACKUPS, DRILLS
from dr.drills.document import DrillDocument, Judgement, Objectives, Verdict, overall
from dr.operations.fingerprint import Fingerprint
from dr.operations.steps import Phase
from dr.topology.tiers import Tier, describe_duration

RTO = Tier.BACKUP.spec.rto
"""Objective of each restore: that of the tier that has nothing but backups."""


@dataclass
class ClassSeen:
    """What the drill has seen of one class of data.

    Args:
        name: The class: "objects".
        rpo: Objective of the age of its newest copy.
        source: What was restored, or why nothing was.
        age: Age of the newest copy in seconds at the start of its restore; None without one.
        restored: Seconds until it was restored; None if it was not.
        compared: Seconds that the comparison took.
        measured: What was compared, as text.
        faults: What differs.
        unknown: Why it was not measured; "" if it was.
        lost: Number of writes since the copy; None if it is unknown.
    """

    name: str
    rpo: timedelta
    source: str = ""
    age: float | None = None
    restored: float | None = None
    compared: float = 0.0
    measured: str = ""
    faults: Sequence[str] = ()
    unknown: str = ""
    lost: int | None = None


@dataclass
class Seen:
    """What the drill has seen.

    Args:
        run: ID of the run.
        tier: Deployed tier of the recovery region.
        recovery: The recovery region.
    """

    run: str
    tier: Tier
    recovery: str
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    classes: list[ClassSeen] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def document(seen: Seen, marks: Fingerprint, ended: datetime) -> DrillDocument:
    """Return the result of the drill.

    Args:
        seen: What it has seen.
        marks: What is deployed.
        ended: Its end.
    """
    found = (*(one for each in seen.classes for one in judge(each)), ended_well(seen))
    seconds = [each.restored + each.compared for each in seen.classes if each.restored is not None]
    ages = [each.age for each in seen.classes if each.age is not None]
    return DrillDocument(
        drill=BACKUPS,
        run=seen.run,
        verdict=overall(found),
        tier=str(seen.tier),
        fingerprint=marks.value,
        started=_text(seen.started),
        ended=_text(ended),
        fault=DRILLS[BACKUPS].title,
        fault_at=_text(seen.started),
        rto_seconds=round(max(seconds), 3) if seconds else None,
        rto_error_seconds=None,
        rpo_seconds=round(max(ages), 3) if ages else None,
        objectives=Objectives(
            RTO.total_seconds(), max((each.rpo.total_seconds() for each in seen.classes), default=0.0)
        ),
        judgements=found,
        phases=_phases(seen),
        measured=("rto_seconds", "rpo_seconds", "phases"),
        versions=marks.versions,
        problems=tuple(seen.problems),
        region=seen.recovery,
    )


def judge(seen: ClassSeen) -> Iterator[Judgement]:
    """Judge a class of data: what was restored, how long that took, and the age of the copy."""
    restored, time, point = f"{seen.name} restored", f"{seen.name} time", f"{seen.name} age"
    equal, soon = "equal to the source at that time", f"at most {describe_duration(RTO)}"
    young = f"at most {describe_duration(seen.rpo)} old"
    if seen.unknown:
        yield Judgement(restored, Verdict.UNKNOWN, f"not measured: {seen.unknown}", equal)
    elif seen.restored is None:
        yield Judgement(restored, Verdict.MISSED, seen.source or "nothing was restored", equal)
    else:
        text = "; ".join(seen.faults[:3]) if seen.faults else seen.measured
        yield Judgement(restored, Verdict.MISSED if seen.faults else Verdict.MET, f"{seen.source}: {text}", equal)
    if seen.restored is not None:
        took = seen.restored + seen.compared
        verdict = Verdict.MET if took <= RTO.total_seconds() else Verdict.MISSED
        yield Judgement(time, verdict, f"{seen.restored:.1f} s, compared in {seen.compared:.1f} s", soon)
    if seen.age is not None:
        text = f"{describe_duration(timedelta(seconds=seen.age))} old"
        text += f"; {seen.lost} keys were written since" if seen.lost is not None else ""
        yield Judgement(point, Verdict.MET if seen.age <= seen.rpo.total_seconds() else Verdict.MISSED, text, young)


def ended_well(seen: Seen) -> Judgement:
    """Judge the drill itself."""
    objective = "the drill ends without an error"
    if seen.problems:
        return Judgement("operation", Verdict.MISSED, seen.problems[0].splitlines()[0], objective)
    return Judgement("operation", Verdict.MET, "what it restored is deleted", objective)


def _phases(seen: Seen) -> dict[str, float]:
    """Return the seconds of all classes by phase: restores are `data`, comparisons `verify`."""
    done = [each for each in seen.classes if each.restored is not None]
    found = {phase.value: 0.0 for phase in Phase}
    found |= {Phase.DATA.value: round(sum(each.restored or 0.0 for each in done), 3)}
    return (found | {Phase.VERIFY.value: round(sum(each.compared for each in done), 3)}) if done else {}


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
