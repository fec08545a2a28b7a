"""Conditions of a drill's verdict. Pure.

A drill that hit nothing proves nothing, so the effect of the fault is a condition, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dr.drills.document import Judgement, LostWrite, Objectives, Requests, Verdict
from dr.drills.zones import Zones
from dr.operations.client_log import Outage, Request
from dr.operations.measurements import Alarm
from dr.operations.quorum import Signal
from dr.topology.tiers import describe_duration

RESUMED_SECONDS = 5.0
"""Longest time until another operator continues a run."""
LARGEST_ERROR = 2.0
"""Largest error of a recovery time, in seconds."""


def effect(outage: Outage | None) -> Judgement:
    """Judge whether the fault hit the clients.

    Args:
        outage: The outage; None if the drill ended before the fault.
    """
    if outage is None:
        return Judgement("effect", Verdict.MISSED, "the drill ended before the fault", "the fault hits requests")
    if outage.first_failure is None:
        return Judgement("effect", Verdict.MISSED, "no request failed after the fault", "the fault hits requests")
    after = (outage.first_failure - outage.fault).total_seconds()
    return Judgement("effect", Verdict.MET, f"the first request failed after {after:.1f} s", "the fault hits requests")


def detection(fault: datetime, detected: datetime | None, budget: timedelta) -> Judgement:
    """Judge whether an alarm detected the loss within its budget, by the environment's clock.

    Where health checks move clients, operators still need the alarm.
    """
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


def resumed(run: str | None, seconds: float | None) -> Judgement:
    """Judge whether the run of a killed operator was resumed in time.

    Args:
        run: ID of the run that was resumed; None if a new one was started.
        seconds: Time from the second operator's start to the first step; None if no step started.
    """
    objective = f"the run of the killed process is resumed within {RESUMED_SECONDS:g} s"
    if run is None or seconds is None:
        return Judgement(
            "resumed", Verdict.MISSED, "a new run was started" if seconds else "no step started", objective
        )
    verdict = Verdict.MET if seconds <= RESUMED_SECONDS else Verdict.MISSED
    return Judgement("resumed", verdict, f"run {run}, after {seconds:.1f} s", objective)


def fallback(nodes: Mapping[str, int] | None, short: str) -> Judgement:
    """Judge whether GPU nodes of another type were started.

    Args:
        nodes: Number of GPU nodes in the recovery region by instance type; None if they could not be read.
        short: The type without capacity.
    """
    objective = f"nodes of another type than {short}"
    if nodes is None:
        return Judgement("fallback", Verdict.UNKNOWN, "the nodes could not be read", objective)
    text = ", ".join(f"{count} of {kind}" for kind, count in sorted(nodes.items())) or "no node"
    fell_back = bool(nodes) and short not in nodes
    return Judgement("fallback", Verdict.MET if fell_back else Verdict.MISSED, text, objective)


def one_region(requests: Sequence[Request], primary: str, confirmed: datetime | None) -> Judgement:
    """Judge whether clients are kept away from a primary region that returns.

    Until the recovery record opens, both records are closed, and Route 53 then answers as if both were open (Route 53
    developer guide, "How Route 53 chooses records when health checking is configured"). A primary region that returns
    in that time answers clients, and nothing has diverged yet.

    Args:
        requests: Requests that were sent before the failback.
        primary: The primary region.
        confirmed: When it was confirmed that no resolver keeps the primary region's address; None if it was not.
    """
    objective = f"no answer of {primary} once DNS is confirmed"
    if confirmed is None:
        return Judgement("one-region", Verdict.MISSED, "DNS was not confirmed", objective)
    late = [each for each in requests if each.sent > confirmed]
    of_primary = sum(each.region == primary and not each.failed for each in late)
    if not late:
        return Judgement("one-region", Verdict.UNKNOWN, "no request was sent after that", objective)
    verdict = Verdict.MISSED if of_primary else Verdict.MET
    return Judgement("one-region", verdict, f"{of_primary} of {len(late)} answers are of {primary}", objective)


def shown(fault: datetime, detected: datetime | None, signals: Sequence[Signal]) -> Judgement:
    """Judge whether the product showed a grey failure to an operator who asked.

    Args:
        fault: Time of the fault, by the environment's clock.
        detected: When a signal showed it, by the same clock; None if none did.
        signals: The signals at that time.
    """
    objective = "`dr failover` shows that inference fails while readiness answers"
    grey = [each for each in signals if each.grey]
    if detected is None or not grey:
        return Judgement("detection", Verdict.MISSED, "; ".join(map(str, signals)) or "no signal was read", objective)
    took = max(timedelta(0), detected - fault).total_seconds()
    return Judgement("detection", Verdict.MET, f"after {took:.0f} s: {grey[0].fact}", objective)


def health_checks(fault: datetime, witnesses: Mapping[str, Alarm | None] | None) -> Judgement:
    """Judge whether health checks passed during a grey failure: otherwise it was none.

    Args:
        fault: Time of the fault, by the environment's clock.
        witnesses: Alarms of health checks during the whole fault, by name; None if they were not read.
    """
    objective = "pass during the whole fault, else it is no grey failure"
    if witnesses is None or None in witnesses.values():
        return Judgement("health-checks", Verdict.UNKNOWN, "their alarms were not read", objective)
    alarms = [each for each in witnesses.values() if each]
    if changed := [each for each in alarms if each.state != "OK" or each.since > fault]:
        text = ", ".join(f"{each.name} is {each.state} since {each.since:%H:%M:%S} UTC" for each in changed)
        return Judgement("health-checks", Verdict.MISSED, f"{text}; the fault was at {fault:%H:%M:%S} UTC", objective)
    return Judgement("health-checks", Verdict.MET, f"{', '.join(sorted(witnesses))}: OK all the time", objective)


def in_region(requests: Sequence[Request], recovery: str, standby: bool, fault: datetime, seen: Zones) -> Judgement:
    """Judge whether clients stayed in the primary region when it lost a zone.

    Args:
        requests: Requests after the fault.
        recovery: The recovery region.
        standby: Whether the recovery region answers clients only after a failover.
        fault: Time of the fault, by the environment's clock.
        seen: What the drill has seen.
    """
    name, objective = "no-failover", "no client is moved, no incident is opened, and region-impaired does not fire"
    if seen.incident is None or seen.impaired is None:
        return Judgement(name, Verdict.UNKNOWN, "incident and alarm were not read", objective)
    moved = sum(each.region == recovery for each in requests) if standby else 0
    state, since = seen.impaired
    found = [f"{moved} of {len(requests)} requests went to {recovery}"] if moved else []
    found += [f"incident {seen.incident} is open"] if seen.incident else []
    found += [f"region-impaired is {state} since {since:%H:%M:%S} UTC"] if state != "OK" or since > fault else []
    if found:
        return Judgement(name, Verdict.MISSED, "; ".join(found), objective)
    text = f"0 of {len(requests)} requests went to {recovery}; no incident; region-impaired is OK"
    return Judgement(name, Verdict.MET, text if standby else text.partition("; ")[2], objective)


def replicas(seen: Zones) -> Judgement:
    """Judge whether replicas were ready as wanted without the zone, and again once it was back."""
    objective = "all replicas ready in the other zones, and with a node in each zone afterwards"
    text = f"without {seen.zone}: {seen.lost or 'not read'}; afterwards: {seen.after or 'not read'}"
    if seen.lost is None or seen.after is None:
        return Judgement("replicas", Verdict.UNKNOWN, text, objective)
    return Judgement("replicas", Verdict.MET if seen.replaced and seen.returned else Verdict.MISSED, text, objective)
