"""Whether automation acts on the loss of the primary region: rules over what was measured. Pure.

All rules have to allow it. `dr.operations.automatic` measures, and starts the operation that an operator would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from dr.control.incident_state import IncidentState
from dr.findings import Finding
from dr.operations.quorum import QUORUM, Sight, Signal, lost_for
from dr.topology.detection import SAMPLE_SECONDS
from dr.topology.tiers import describe_duration
from dr.topology.topology import AutomationMode

AUTHOR = "automation"
"""User in the lease, the journal and the incident."""
LASTS = timedelta(seconds=3 * SAMPLE_SECONDS)
"""Least time for which a quorum has to see the primary region lost: three samples after the witnesses' alarms fired. An
alarm that flaps starts it again."""
APART = timedelta(hours=1)
"""Least time between the starts of two automatic runs, so that a region that fails again is looked at by a person."""


class Action(StrEnum):
    """What automation does."""

    NOTHING = "nothing"
    PREPARE = "prepare"
    FAILOVER = "failover"


ACTIONS = {
    AutomationMode.NOTIFY: Action.NOTHING,
    AutomationMode.PREPARE: Action.PREPARE,
    AutomationMode.AUTOMATIC: Action.FAILOVER,
}


@dataclass(frozen=True)
class Facts:
    """What was measured.

    Args:
        mode: `dr:automation`.
        signals: The signals of the primary region.
        state: The incident state.
        held: Holder of the lease; "" if no process operates.
        since_last: Time since the last automatic run started; None if none did in `APART`.
    """

    mode: AutomationMode
    signals: Sequence[Signal]
    state: IncidentState
    held: str = ""
    since_last: timedelta | None = None


@dataclass(frozen=True)
class Decision:
    """What automation does, and why.

    Args:
        action: What it does.
        reasons: Why: all that prevents an action, or the signals that allow it.
        resumes: Whether it continues a run of automation after its process died.
    """

    action: Action
    reasons: tuple[str, ...]
    resumes: bool = False


def decide(facts: Facts) -> Decision:
    """Return what automation does."""
    off = [text for text in (_mode(facts), _paused(facts)) if text]
    if not off and (action := interrupted(facts)) is not Action.NOTHING:
        return Decision(action, ("the process of an automatic run died, and its lease has expired",), resumes=True)
    against = [text for rule in (_operator, _incident, _known, _lasting, _apart) if (text := rule(facts))]
    if reasons := (*off, *against):
        return Decision(Action.NOTHING, reasons)
    return Decision(ACTIONS[facts.mode], tuple(map(str, facts.signals)))


def interrupted(facts: Facts) -> Action:
    """Return the operation of an automatic run that has to be resumed.

    A process that died has not given its lease up. After a failed step it has, and an operator decides.
    """
    incident, lease = facts.state.incident, facts.state.lease
    if not incident or not lease or facts.held or lease.run != incident.id or not is_automatic(lease.holder):
        return Action.NOTHING
    return Action(incident.operation)


def is_automatic(holder: str) -> bool:
    """Return whether a holder of the lease, or an author, is automation."""
    return holder.startswith(f"{AUTHOR}@")


def state_forbids(state: IncidentState) -> tuple[str, ...]:
    """Return why the incident state forbids a new automatic run; empty if it does not."""
    facts = Facts(AutomationMode.AUTOMATIC, (), state)
    return tuple(text for rule in (_paused, _incident) if (text := rule(facts)))


def unmet(findings: Sequence[Finding]) -> Decision | None:
    """Return the decision to do nothing because of guards; None if all are met. Automation accepts no finding."""
    reasons = tuple(f"{each.name} is {each.status}: {each.measured}" for each in findings if not each.passes)
    return Decision(Action.NOTHING, reasons) if reasons else None


def _mode(facts: Facts) -> str:
    if facts.mode is AutomationMode.NOTIFY:
        return "dr:automation is notify: an operator decides (`dr failover`)"
    return ""


def _paused(facts: Facts) -> str:
    paused = facts.state.automation.paused
    return f"an operator paused automation ({paused}); `dr resume` switches it on" if paused else ""


def _operator(facts: Facts) -> str:
    return f"{facts.held} operates" if facts.held else ""


def _incident(facts: Facts) -> str:
    """Once an incident: opening one disarms automation, and only failback arms it."""
    if incident := facts.state.incident:
        return f"{incident.operation} {incident.id} is open since {incident.opened}; `dr failback` closes it"
    return "" if facts.state.automation.armed else "automation is disarmed; `dr failback` arms it"


def _known(facts: Facts) -> str:
    unknown = [str(each) for each in facts.signals if each.sight is Sight.UNKNOWN]
    return f"a signal is unknown: {'; '.join(unknown)}" if unknown else ""


def _lasting(facts: Facts) -> str:
    lasts = lost_for(facts.signals)
    if lasts is None:
        return f"fewer than {QUORUM} signals see the primary region lost: {'; '.join(map(str, facts.signals))}"
    if lasts < LASTS:
        return (
            f"{QUORUM} signals see the primary region lost for {describe_duration(lasts)} of {describe_duration(LASTS)}"
        )
    return ""


def _apart(facts: Facts) -> str:
    if facts.since_last is None or facts.since_last >= APART:
        return ""
    ago, least = describe_duration(facts.since_last), describe_duration(APART)
    return f"the last automatic run started {ago} ago; the next one may start after {least}"
