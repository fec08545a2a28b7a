"""Findings from measurements, alarms and the incident state. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from dr.control.contract import DnsRecord
from dr.control.incident_state import IncidentState
from dr.control.levers import ENGAGE
from dr.findings import Finding, Status
from dr.operations.clients_dns import Clients
from dr.operations.measurements import Alarm, Alarms, Series
from dr.operations.serving import FRESH, Serving
from dr.topology.tiers import describe_duration

SERVING = "serving"
NO_DATA = "INSUFFICIENT_DATA"
"""State of an alarm while its metric has no data."""
PROBER_HINT = (
    "a new prober measures within two minutes; if not, look at the log of the function <prefix>-prober, and at the "
    "alarms prober-failing and unmeasured"
)


def clock_text(time: datetime, now: datetime) -> str:
    """Return a time for people, with the date if it is another day: "12:03:20 UTC", "2026-11-27 12:03:20 UTC"."""
    return f"{time:%H:%M:%S} UTC" if time.date() == now.date() else f"{time:%Y-%m-%d %H:%M:%S} UTC"


def since_text(time: datetime, now: datetime) -> str:
    """Return since when: "since 12:03:20 UTC (38 min)"."""
    return f"since {clock_text(time, now)} ({describe_duration(max(timedelta(0), now - time))})"


def serving_text(found: Serving, now: datetime) -> str:
    """Return which regions serve, since when and when that was measured."""
    if found.regions is None:
        measured = f"; last measured {clock_text(found.measured, now)}" if found.measured else ""
        return f"unknown: {found.reason}{measured}"
    who = " and ".join(found.regions) or "none"
    if found.since is None or found.measured is None:
        return who
    lasts = f"for more than {describe_duration(now - found.since)}" if found.before else since_text(found.since, now)
    return f"{who} {lasts}, measured {clock_text(found.measured, now)}"


def serving_finding(found: Serving, now: datetime) -> Finding:
    """Judge which regions serve.

    Args:
        found: The regions.
        now: Time of the report.
    """
    text, at = serving_text(found, now), found.measured.isoformat(timespec="seconds") if found.measured else ""
    objective = "a region serves"
    if found.regions is None:
        return Finding(SERVING, Status.UNKNOWN, text.removeprefix("unknown: "), PROBER_HINT, objective, at)
    if not found.regions:
        hint = "no endpoint with an open record answers: decide on a failover; `dr rollout` shows what runs"
        return Finding(SERVING, Status.MISSED, text, hint, objective, at)
    return Finding(SERVING, Status.MET, text, "", objective, at)


def clients_finding(found: Clients, serving: Serving) -> Finding | None:
    """Compare the DNS answer with the regions that serve; None without an answer, which misses no objective."""
    name, objective, text = "public name", "leads to a region that serves", f"leads to {found.region}"
    if not found.region:
        return None
    if serving.regions is None:
        return Finding(name, Status.INFO, text)
    if found.region in serving.regions:
        return Finding(name, Status.MET, text, "", objective)
    hint = "clients follow within two minutes (health checks and TTL); if they do not, look at the records and levers"
    return Finding(name, Status.MISSED, f"{text}, which does not serve", hint, objective)


def endpoint_finding(region: str, series: Series, expected: bool, now: datetime) -> Finding:
    """Judge the endpoint of a region.

    Args:
        region: The region.
        series: Whether it answered the prober.
        expected: Whether the region is to serve.
        now: Time of the report.
    """
    name, objective = f"endpoint of {region}", "answers" if expected else ""
    if not series:
        if not expected:
            return Finding(name, Status.INFO, "not measured: the region is not to serve")
        return Finding(name, Status.UNKNOWN, "not measured", PROBER_HINT, objective)
    newest = series[-1]
    since = newest.at
    for each in reversed(series):
        if each.value != newest.value:
            break
        since = each.at
    run = f"for more than {describe_duration(now - since)}" if since == series[0].at else since_text(since, now)
    text = f"{'answers' if newest.value else 'does not answer'} {run}"
    at = newest.at.isoformat(timespec="seconds")
    if now - newest.at > FRESH:
        status = Status.STALE if expected else Status.INFO
        return Finding(name, status, f"{text}; measured {clock_text(newest.at, now)}", PROBER_HINT, objective, at)
    if not expected:
        return Finding(name, Status.INFO, text, at=at)
    hint = "" if newest.value else f"`dr rollout` shows what runs in {region}, if that region answers"
    return Finding(name, Status.MET if newest.value else Status.MISSED, text, hint, objective, at)


def data_finding(series: Series, recovery: str, rpo: timedelta, now: datetime) -> Finding:
    """Judge the data that a failover would lose now: the age of the newest replicated sentinel against the RPO."""
    return _age_finding(f"data in {recovery}", series, rpo, now, "behind", "look at replication in the primary region")


def copies_finding(series: Series, recovery: str, limit: timedelta, now: datetime) -> Finding:
    """Judge the age of the newest backup copy."""
    hint = "look at the copy jobs of AWS Backup in the primary region"
    return _age_finding(f"newest copy in {recovery}", series, limit, now, "old", hint)


def _age_finding(name: str, series: Series, limit: timedelta, now: datetime, word: str, hint: str) -> Finding:
    objective = f"at most {describe_duration(limit)}"
    if not series:
        return Finding(name, Status.UNKNOWN, "not measured", PROBER_HINT, objective)
    newest = series[-1]
    at = newest.at.isoformat(timespec="seconds")
    age = timedelta(seconds=newest.value)
    text = f"{describe_duration(age)} {word}"
    if now - newest.at > FRESH:
        text += f" at {clock_text(newest.at, now)}; not measured since"
        status = Status.MISSED if age > limit else Status.STALE
        return Finding(name, status, text, PROBER_HINT, objective, at)
    if age > limit:
        return Finding(name, Status.MISSED, text, hint, objective, at)
    return Finding(name, Status.MET, text, "", objective, at)


def alarms_finding(found: Alarms, region: str, levers: frozenset[str], now: datetime) -> Finding:
    """Judge the alarms of a region; those of levers show an operator's decision, and are not counted.

    Args:
        found: The alarms.
        region: The region.
        levers: Names of the levers' alarms.
        now: Time of the report.
    """
    name, objective = f"alarms in {region}", "none fires"
    counted = [each for each in found.alarms if each.name not in levers]
    if not counted:
        return Finding(name, Status.UNKNOWN, "there is no alarm", "`pulumi up` of the stack creates them", objective)
    firing = [each for each in found.firing if each.name not in levers]
    blind = sum(each.state == NO_DATA for each in counted)
    if blind == len(counted):
        hint = "wait for the first minutes of a new region; then look at what publishes their metrics"
        return Finding(name, Status.UNKNOWN, f"none of {blind} has data", hint, objective)
    more = f"; {blind} without data" if blind else ""
    if not firing:
        return Finding(name, Status.MET, f"none of {len(counted)} fires{more}", "", objective)
    text = f"{len(firing)} of {len(counted)} fire, the first {since_text(firing[0].since, now)}{more}"
    return Finding(name, Status.MISSED, text, "the description of each alarm says what to do", objective)


def lever_finding(record: DnsRecord, region: str, alarm: Alarm | None, day: IncidentState, automatic: bool) -> Finding:
    """Compare a lever's effect with the incident state.

    Args:
        record: DNS record that the lever opens or closes.
        region: Region that the record leads to.
        alarm: The lever's alarm; None if it does not exist.
        day: The incident state.
        automatic: Whether the recovery record opens without an operator.
    """
    name, objective = f"lever {record.lever}", ""
    engaged = record.lever == ENGAGE
    closed = day.levers.engaged if engaged else not (day.levers.admitted or automatic)
    objective = f"record of {region} {'closed' if closed else 'open'}"
    if alarm is None:
        fact = f"alarm {record.lever_alarm} does not exist"
        return Finding(name, Status.UNKNOWN, fact, "`pulumi up` of its stack creates it", objective)
    if alarm.state == NO_DATA:
        status = Status.UNKNOWN if closed and engaged else Status.INFO
        return Finding(name, status, "no value is published: the record keeps its last state", "", objective)
    shows = alarm.state == "ALARM"
    text = f"record of {region} is {'closed' if shows else 'open'}"
    if shows == closed:
        return Finding(name, Status.INFO, text)
    hint = "wait two minutes: a function publishes the levers every minute; then look at the alarm levers-failing"
    return Finding(name, Status.MISSED, f"{text}, not as in the incident state", hint, objective)
