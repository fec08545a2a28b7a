"""The document of a drill of corrupted data. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dr.drills.catalog import CORRUPTION, DRILLS
from dr.drills.document import DrillDocument, Judgement, LostWrite, Objectives, Verdict, overall
from dr.operations.fingerprint import Fingerprint
from dr.operations.steps import Phase
from dr.topology.tiers import Tier, describe_duration

RPO = timedelta(seconds=2)
"""Longest age of a lost write at the damage: S3 stores times in whole seconds, and the restored time is the last whole
second that had ended before."""


@dataclass(frozen=True)
class Regions:
    """A number of objects in each region.

    Args:
        home: In the primary region.
        recovery: In the recovery region.
    """

    home: int
    recovery: int


@dataclass
class Seen:
    """What the drill has seen.

    Args:
        run: ID of the run.
        tier: Deployed tier of the recovery region.
        home: The primary region.
        recovery: The recovery region.
        bucket: The bucket in the primary region.
    """

    run: str
    tier: Tier
    home: str
    recovery: str
    bucket: str
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    good: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each object before the damage, by its key."""
    acknowledged: Mapping[str, datetime] = field(default_factory=dict)
    """When the last of them were acknowledged, by key."""
    versions: int | None = None
    """Versions before the damage; None if they were not counted."""
    fault_at: datetime | None = None
    damaged: Regions | None = None
    """Good objects after the damage; None if they were not read."""
    as_of: datetime | None = None
    """The time that was restored."""
    restore_seconds: float | None = None
    equal: Regions | None = None
    """Good objects after the restore; None if they were not read."""
    compared_at: datetime | None = None
    lost: Sequence[str] = ()
    """Keys of the objects that are not good after the restore."""
    kept: int | None = None
    """Versions after the restore; None if they were not counted."""
    problems: list[str] = field(default_factory=list)


def document(seen: Seen, marks: Fingerprint, ended: datetime) -> DrillDocument:
    """Return the result of the drill.

    Args:
        seen: What it has seen.
        marks: What is deployed.
        ended: Its end.
    """
    objectives = Objectives(seen.tier.spec.rto.total_seconds(), RPO.total_seconds())
    seconds = _seconds(seen)
    judged = (effect, restored, recovery_point, kept, ended_well)
    found = (*(judge(seen) for judge in judged), recovery_time(seen, objectives))
    return DrillDocument(
        drill=CORRUPTION,
        run=seen.run,
        verdict=overall(found),
        tier=str(seen.tier),
        fingerprint=marks.value,
        started=_text(seen.started),
        ended=_text(ended),
        fault=DRILLS[CORRUPTION].title,
        fault_at=_text(seen.fault_at or seen.started),
        rto_seconds=None if seconds is None else round(seconds, 3),
        rto_error_seconds=None,
        rpo_seconds=_point(seen),
        objectives=objectives,
        judgements=found,
        lost_writes=_lost(seen),
        phases=_phases(seen, seconds),
        measured=("rto_seconds", "rpo_seconds", "lost_writes", "phases"),
        versions=marks.versions,
        problems=tuple(seen.problems),
        region=seen.recovery,
    )


def effect(seen: Seen) -> Judgement:
    """Judge whether the damage was in both regions: otherwise the restore proves nothing."""
    objective, total = "the damage is in both regions", len(seen.good)
    if seen.damaged is None:
        return Judgement("effect", Verdict.MISSED, "the drill ended before the damage was in both regions", objective)
    if not total or seen.damaged != Regions(0, 0):
        where = f"{seen.damaged.home} in {seen.home}, {seen.damaged.recovery} in {seen.recovery}"
        text = f"of {total} objects, {where} are good"
        return Judgement("effect", Verdict.MISSED, text, objective)
    return Judgement("effect", Verdict.MET, f"0 of {total} objects are good in either region", objective)


def restored(seen: Seen) -> Judgement:
    """Judge whether all objects of the restored time are good again in both regions, by their hashes."""
    objective = "each object of the restored time is good in both regions, by SHA-256"
    if seen.equal is None:
        return Judgement("restored", Verdict.MISSED, "nothing was restored", objective)
    wanted = len(seen.good) - sum(key in seen.acknowledged for key in seen.lost)
    text = f"{seen.equal.home} of {len(seen.good)} in {seen.home}, {seen.equal.recovery} in {seen.recovery}"
    met = seen.equal == Regions(wanted, wanted) and wanted > 0
    return Judgement("restored", Verdict.MET if met else Verdict.MISSED, text, objective)


def recovery_time(seen: Seen, objectives: Objectives) -> Judgement:
    """Judge the time from the damage until good objects are in both regions."""
    objective, seconds = f"at most {describe_duration(timedelta(seconds=objectives.rto_seconds))}", _seconds(seen)
    if seconds is None:
        return Judgement("rto", Verdict.MISSED, "the objects were not compared after a restore", objective)
    verdict = Verdict.MET if seconds <= objectives.rto_seconds else Verdict.MISSED
    text = f"{seconds:.1f} s, of which the restore took {seen.restore_seconds:.1f} s"
    return Judgement("rto", verdict, text, objective)


def recovery_point(seen: Seen) -> Judgement:
    """Judge the age of the oldest lost write at the damage."""
    objective, point = f"at most {describe_duration(RPO)}", _point(seen)
    if point is None:
        return Judgement("rpo", Verdict.UNKNOWN, "the writes were not compared", objective)
    text = f"{len(seen.lost)} of {len(seen.good)} acknowledged writes lost"
    text += f", the oldest {point:.1f} s before the damage" if seen.lost else ""
    return Judgement("rpo", Verdict.MET if point <= RPO.total_seconds() else Verdict.MISSED, text, objective)


def kept(seen: Seen) -> Judgement:
    """Judge whether a version was destroyed: the damage and the restore each add some."""
    objective = "no version is destroyed"
    if seen.versions is None or seen.kept is None:
        return Judgement("versions", Verdict.UNKNOWN, "they were not counted", objective)
    verdict = Verdict.MET if seen.kept > seen.versions else Verdict.MISSED
    text = f"{seen.versions} before the damage, {seen.kept} after the restore"
    return Judgement("versions", verdict, text, objective)


def ended_well(seen: Seen) -> Judgement:
    """Judge the drill itself."""
    objective = "the drill ends without an error"
    if seen.problems:
        return Judgement("operation", Verdict.MISSED, seen.problems[0].splitlines()[0], objective)
    return Judgement("operation", Verdict.MET, "its objects are deleted", objective)


def _seconds(seen: Seen) -> float | None:
    if seen.compared_at is None or seen.fault_at is None or seen.restore_seconds is None:
        return None
    return (seen.compared_at - seen.fault_at).total_seconds()


def _point(seen: Seen) -> float | None:
    """Return the age at the damage of the oldest lost write, in seconds; None if it is unknown."""
    if seen.equal is None or seen.fault_at is None:
        return None
    ages = [(seen.fault_at - seen.acknowledged.get(key, seen.started)).total_seconds() for key in seen.lost]
    return round(max([0.0, *ages]), 3)


def _lost(seen: Seen) -> tuple[LostWrite, ...]:
    fault = seen.fault_at or seen.started
    return tuple(
        LostWrite(f"s3://{seen.bucket}/{key}", _text(at), round((fault - at).total_seconds(), 3))
        for key in seen.lost
        for at in (seen.acknowledged.get(key, seen.started),)
    )


def _phases(seen: Seen, seconds: float | None) -> dict[str, float]:
    """Return the recovery time by phase: the restore is `data`, the rest waits for replication and compares."""
    if seconds is None or seen.restore_seconds is None:
        return {}
    found = {phase.value: 0.0 for phase in Phase}
    found |= {Phase.DATA.value: round(seen.restore_seconds, 3)}
    return found | {Phase.VERIFY.value: round(max(0.0, seconds - seen.restore_seconds), 3)}


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
