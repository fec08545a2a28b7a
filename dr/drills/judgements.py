"""Conditions of a drill's verdict. Pure.

A drill that hit nothing proves nothing, so the effect of the fault is a condition, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from dr.drills.document import Judgement, LostWrite, Objectives, Requests, Verdict
from dr.operations.client_log import Outage, Request
from dr.topology.tiers import describe_duration

LARGEST_ERROR = 2.0
"""Largest error of a recovery time, in seconds."""


def effect(outage: Outage) -> Judgement:
    """Judge whether the fault hit the clients."""
    if outage.first_failure is None:
        return Judgement("effect", Verdict.MISSED, "no request failed after the fault", "the fault hits requests")
    after = (outage.first_failure - outage.fault).total_seconds()
    return Judgement("effect", Verdict.MET, f"the first request failed after {after:.1f} s", "the fault hits requests")


def detection(fault: datetime, detected: datetime | None, budget: timedelta) -> Judgement:
    """Judge whether the loss was detected within the tier's budget, by the environment's clock."""
    objective = f"at most {describe_duration(budget)}"
    if detected is None:
        return Judgement("detection", Verdict.MISSED, "no alarm detected the loss", objective)
    took = max(timedelta(0), detected - fault)
    verdict = Verdict.MET if took <= budget else Verdict.MISSED
    return Judgement("detection", verdict, f"{took.total_seconds():.0f} s", objective)


def recovery_time(outage: Outage, objectives: Objectives) -> Judgement:
    """Judge the recovery time with its error."""
    objective = f"at most {describe_duration(timedelta(seconds=objectives.rto_seconds))}"
    if outage.seconds is None:
        return Judgement("rto", Verdict.MISSED, "no sustained run of right answers after the fault", objective)
    error = outage.resolution or 0.0
    text = f"{outage.seconds:.1f} s, at most {error:.1f} s less"
    if error > LARGEST_ERROR:
        return Judgement("rto", Verdict.UNKNOWN, f"{text}: an error above {LARGEST_ERROR:g} s", objective)
    verdict = Verdict.MET if outage.seconds <= objectives.rto_seconds else Verdict.MISSED
    return Judgement("rto", verdict, text, objective)


def recovery_point(seconds: float | None, lost: Sequence[LostWrite], writes: int, objectives: Objectives) -> Judgement:
    """Judge the recovery point.

    Args:
        seconds: Age of the oldest lost write at the fault; None if it was not measured.
        lost: The lost writes.
        writes: Number of acknowledged writes.
        objectives: Objectives of the tier.
    """
    objective = f"at most {describe_duration(timedelta(seconds=objectives.rpo_seconds))}"
    if seconds is None:
        return Judgement("rpo", Verdict.UNKNOWN, "it is unknown which writes survived", objective)
    text = f"{len(lost)} of {writes} acknowledged writes lost"
    text += f", the oldest {seconds:.1f} s before the fault" if lost else ""
    return Judgement("rpo", Verdict.MET if seconds <= objectives.rpo_seconds else Verdict.MISSED, text, objective)


def answers(requests: Requests, unknown: int, relapses: int) -> Judgement:
    """Judge the answers: none is wrong, and none is missing after the recovery."""
    objective = "no wrong answer, and no failed request after the recovery"
    text = f"{requests.wrong} of {requests.sent} wrong, {unknown} not compared, {relapses} failed after the recovery"
    if requests.wrong or relapses:
        return Judgement("answers", Verdict.MISSED, text, objective)
    return Judgement("answers", Verdict.UNKNOWN if unknown else Verdict.MET, text, objective)


def alarms(firing: Sequence[str] | None, steady: timedelta) -> Judgement:
    """Judge whether all alarms are OK again and stay so.

    Args:
        firing: Alarms that fire at the end and did not before the drill; None if they could not be read.
        steady: How long none fired, by the environment's clock.
    """
    objective = "none fires after the failback"
    if firing is None:
        return Judgement("alarms", Verdict.UNKNOWN, "they could not be read", objective)
    if firing:
        return Judgement("alarms", Verdict.MISSED, f"firing: {', '.join(sorted(firing))}", objective)
    return Judgement("alarms", Verdict.MET, f"none for {describe_duration(steady)}", objective)


def one_region(requests: Sequence[Request], primary: str, closed: datetime | None, ttl: timedelta) -> Judgement:
    """Judge whether clients are kept away from a primary region that returns.

    Args:
        requests: Requests that were sent before the failback.
        primary: The primary region.
        closed: When the primary record was closed, by the environment's clock; None if it was not.
        ttl: Time to live of the DNS answer: so long resolvers may keep the earlier one.
    """
    objective = f"no answer of {primary} once its record is closed"
    if closed is None:
        return Judgement("one-region", Verdict.MISSED, "the primary record was not closed", objective)
    late = [each for each in requests if each.sent_modelled > closed + ttl]
    of_primary = sum(each.region == primary and not each.failed for each in late)
    if not late:
        return Judgement("one-region", Verdict.UNKNOWN, "no request was sent after that", objective)
    verdict = Verdict.MISSED if of_primary else Verdict.MET
    return Judgement("one-region", verdict, f"{of_primary} of {len(late)} answers are of {primary}", objective)
