"""Steps that move traffic: the two levers, and what DNS answers.

A lever is set in the incident state, which a function publishes every minute, and published at once, so that the
record follows within the period of its alarm. No record is edited.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from dr.control import levers
from dr.control.incident_state import IncidentState, Levers
from dr.operations.clients_dns import Clients
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.topology.topology import DnsFailover, Role

FOLLOWS = timedelta(seconds=130)
"""A lever's alarm has a period of 60 s and is evaluated every minute (components/traffic/route53_failover.py)."""


def set_lever(name: str, title: str, lever: str, wanted: bool, after: tuple[str, ...], phase: Phase) -> Step[Scene]:
    """Return the step that sets a lever and waits until its alarm follows.

    Args:
        name: Name of the step.
        title: Title of the step.
        lever: `levers.ENGAGE` or `levers.ADMIT`.
        wanted: Position of the lever.
        after: Steps before it.
        phase: Part of the recovery time.
    """

    def evaluate(scene: Scene) -> Verdict:
        state = scene.state()
        if (now := position(state.levers, lever)) is not wanted:
            return Verdict(State.NEEDED, f"lever {lever} is {_word(now)}")
        return _followed(scene, state.levers, lever)

    def act(scene: Scene, report: Report) -> None:
        state = scene.held.update(lambda state: with_lever(state, lever, wanted))
        report(f"publish lever {lever}: {_word(wanted)}", None)
        levers.publish(scene.region, scene.topology.bucket_prefix, _published(scene, state.levers))

    return Step(
        name=name,
        title=title,
        evaluate=evaluate,
        act=act,
        timeout=FOLLOWS,
        expected=timedelta(seconds=60),
        source="period of the lever's alarm",
        poll=timedelta(seconds=1),
        after=after,
        phase=phase,
        slow="the metric DisasterRecovery/Lever and its alarm; the log group of the republisher",
    )


def confirm_dns(name: str, title: str, role: Role, after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that asks DNS until every answer within a time to live is the region of a role.

    In a tier in which both regions answer in normal operation, one answer of the primary region confirms a failback.
    """

    def evaluate(scene: Scene) -> Verdict:
        return Verdict(State.NEEDED, _clients_text(scene.clients()))

    def verify(scene: Scene) -> Verdict:
        found, region = scene.clients(), scene.topology.site(role).region
        lasts = scene.lasts(name, found.region == region)
        if found.region == region and role is Role.PRIMARY and scene.tier.spec.dns_weight:
            return Verdict(State.DONE, f"{_clients_text(found)}; in tier {scene.tier} both regions answer")
        if found.region != region:
            return Verdict(State.NEEDED if found.region else State.UNKNOWN, _clients_text(found))
        if lasts < found.ttl:
            return Verdict(State.NEEDED, f"{region} for {lasts:.0f} of {found.ttl} s, the time to live")
        return Verdict(State.DONE, f"{_clients_text(found)}; no resolver keeps the other answer")

    return Step(
        name=name,
        title=title,
        evaluate=evaluate,
        act=lambda scene, report: None,
        verify=verify,
        timeout=timedelta(minutes=5),
        expected=timedelta(seconds=90),
        source="three failed health checks of 10 s and a time to live of 60 s",
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.DNS,
        slow="`dig` of the public name; the health checks of both records in Route 53",
        without="it is unknown whether clients reach the region",
    )


def _word(position: bool) -> str:
    return "on" if position else "off"


def position(both: Levers, lever: str) -> bool:
    """Return the position of a lever."""
    return both.engaged if lever == levers.ENGAGE else both.admitted


def with_lever(state: IncidentState, lever: str, wanted: bool) -> IncidentState:
    """Return the state with a lever set."""
    field = "engaged" if lever == levers.ENGAGE else "admitted"
    return replace(state, levers=replace(state.levers, **{field: wanted}))


def _published(scene: Scene, both: Levers) -> dict[str, int]:
    """Return the value of each lever's metric, as the function publishes it every minute."""
    return levers.values(both, scene.topology.dns.failover is DnsFailover.AUTOMATIC)


def _followed(scene: Scene, both: Levers, lever: str) -> Verdict:
    """Return whether a lever's alarm follows its position: done if it does."""
    half = scene.primary if lever == levers.ENGAGE else scene.recovery
    value = _published(scene, both)[lever]
    closes = bool(value) if lever == levers.ENGAGE else not value
    alarm = scene.alarms().named(half.dns.lever_alarm)
    found = alarm.state if alarm else "missing"
    detail = f"lever {lever} is {_word(position(both, lever))}, its alarm is {found}"
    return Verdict(State.DONE if found == ("ALARM" if closes else "OK") else State.NEEDED, detail)


def _clients_text(found: Clients) -> str:
    return f"{found.name} leads to {found.region}" if found.region else f"{found.name}: {found.reason}"
