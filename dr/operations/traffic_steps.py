"""Steps that move traffic: the two levers, and what DNS answers.

A lever is set in the incident state, which a function publishes every minute, and published at once, so that the
record follows within the period of its alarm. No record is edited.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

from dr.control import levers
from dr.control.incident_state import IncidentState, Levers
from dr.operations import dns_answers, signals
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
        now = position(scene.state().levers, lever)
        if now is not wanted:
            return Verdict(State.NEEDED, f"lever {lever} is {_word(now)}")
        return verify(scene)

    def act(scene: Scene, report: Report) -> None:
        scene.held.update(lambda state: with_lever(state, lever, wanted))
        report(f"publish lever {lever}: {_word(wanted)}", None)
        publish(scene)

    def verify(scene: Scene) -> Verdict:
        alarm = scene.primary.dns.lever_alarm if lever == levers.ENGAGE else scene.recovery.dns.lever_alarm
        published = levers.values(scene.state().levers, scene.topology.dns.failover is DnsFailover.AUTOMATIC)[lever]
        closes = bool(published) if lever == levers.ENGAGE else not published
        expected = "ALARM" if closes else "OK"
        found = signals.alarm_state(scene, alarm)
        detail = f"lever {lever} is {_word(wanted)}, its alarm is {found}"
        return Verdict(State.DONE if found == expected else State.NEEDED, detail)

    return Step(
        name=name,
        title=title,
        evaluate=evaluate,
        act=act,
        verify=verify,
        timeout=FOLLOWS,
        expected=timedelta(seconds=60),
        source="period of the lever's alarm",
        poll=timedelta(seconds=1),
        after=after,
        phase=phase,
        slow="the metric DisasterRecovery/Lever and its alarm; the log group of the republisher",
    )


def confirm_dns(name: str, title: str, role: Role, after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that asks DNS until every answer within a time to live is the region of a role."""

    def evaluate(scene: Scene) -> Verdict:
        return Verdict(State.NEEDED, dns_answers.ask(scene).text)

    def verify(scene: Scene) -> Verdict:
        answer = dns_answers.ask(scene)
        region = scene.topology.site(role).region
        if answer.role is not role:
            scene.notes.pop(name, None)
            return Verdict(State.UNKNOWN if answer.role is None else State.NEEDED, answer.text)
        now = time.monotonic()
        held = now - float(scene.notes.setdefault(name, repr(now)))
        if held < answer.ttl:
            return Verdict(State.NEEDED, f"{region} for {held:.0f} of {answer.ttl} s, the time to live")
        return Verdict(State.DONE, f"{answer.text}; no resolver keeps the other answer")

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


def publish(scene: Scene) -> None:
    """Publish both levers, as the function does every minute. Raises as `levers.publish`."""
    values = levers.values(scene.state().levers, scene.topology.dns.failover is DnsFailover.AUTOMATIC)
    levers.publish(scene.region, scene.topology.bucket_prefix, values)
