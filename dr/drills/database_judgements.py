"""Conditions of the verdict of a drill of a lost database. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from dr.drills.document import Judgement, LostWrite, Objectives, Verdict
from dr.drills.row_writer import TABLE
from dr.drills.rows import Rows
from dr.topology.tiers import describe_duration


def seconds(fault: datetime, seen: Rows | None) -> float | None:
    """Return the time from the fault until the recovery region's cluster was the writer; None if it never was.

    Args:
        fault: Time of the fault, by the environment's clock.
        seen: What the drill has seen.
    """
    if seen is None or seen.recovered is None or seen.writer != seen.cluster:
        return None
    return round((seen.recovered - fault).total_seconds(), 3)


def recovery_time(fault: datetime, seen: Rows | None, objectives: Objectives) -> Judgement:
    """Judge when the recovery region's cluster was the writer."""
    objective = f"at most {describe_duration(timedelta(seconds=objectives.rto_seconds))}"
    took = seconds(fault, seen)
    if took is None:
        writer = (seen.writer if seen else "") or "not read"
        return Judgement("rto", Verdict.MISSED, f"the writer after the failover: {writer}", objective)
    verdict = Verdict.MET if took <= objectives.rto_seconds else Verdict.MISSED
    return Judgement("rto", verdict, f"{took:.1f} s until {seen.cluster if seen else ''} was the writer", objective)


def lost_rows(seen: Rows | None) -> tuple[LostWrite, ...]:
    """Return the lost rows, oldest first; their names begin with `postgresql://`."""
    if seen is None or not seen.lost or not seen.acknowledged:
        return ()
    return tuple(
        LostWrite(
            f"postgresql://{seen.home}/{TABLE}/{number}",
            seen.acknowledged[number].isoformat(timespec="milliseconds"),
            round(age, 3),
        )
        for number, age in sorted(seen.lost.items())
    )


def rows(seen: Rows | None, objectives: Objectives) -> Judgement:
    """Judge the rows that were lost, by the replication lag."""
    objective = f"at most {describe_duration(timedelta(seconds=objectives.rpo_seconds))}"
    if seen is None or seen.lag_seconds is None:
        why = (seen.why if seen else "") or "the drill ended before the fault"
        return Judgement("rows", Verdict.UNKNOWN, why, objective)
    if seen.acknowledged is not None:
        if seen.lost is None:
            return Judgement("rows", Verdict.UNKNOWN, "it is unknown which rows survived", objective)
        oldest = max(seen.lost.values(), default=0.0)
        text = f"{len(seen.lost)} of {len(seen.acknowledged)} acknowledged rows lost"
        text += f", the oldest {oldest:.1f} s before the fault" if seen.lost else ""
        text += f"; the replication lag was {seen.lag_seconds:.3f} s"
        return Judgement("rows", Verdict.MET if oldest <= objectives.rpo_seconds else Verdict.MISSED, text, objective)
    text = f"rows of {seen.lag_seconds:.3f} s, by the replication lag at the fault; no row was counted"
    verdict = Verdict.MET if seen.lag_seconds <= objectives.rpo_seconds else Verdict.MISSED
    return Judgement("rows", verdict, text, objective)


def returned(seen: Rows | None) -> Judgement:
    """Judge whether the failback made the primary region's cluster the writer, and removed the incident's instance."""
    objective = "the primary region's cluster writes, and no instance of the incident is left"
    if seen is None or not seen.returned or seen.left is None:
        return Judgement("database", Verdict.UNKNOWN, "not read after the failback", objective)
    text = f"{seen.returned} is the writer"
    text += f"; {seen.left} is left" if seen.left else ""
    met = seen.returned == seen.home and not seen.left
    return Judgement("database", Verdict.MET if met else Verdict.MISSED, text, objective)
