"""Rules of automation: one compliant example, and each test breaks one fact."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dr.control.incident_state import Automation, Incident, IncidentState, Lease
from dr.findings import Finding, Status
from dr.operations.automation import APART, LASTS, Action, Facts, decide, state_forbids, unmet
from dr.operations.quorum import Sight, Signal
from dr.topology.topology import AutomationMode

RUN = "20261128T120510Z-6f1c2a"
INCIDENT = Incident(RUN, "2026-11-28T12:05:10+00:00", "automation: lost", "failover")
DIED = Lease("automation@pod-a (process 7)", "2026-11-28T12:06:00+00:00", 3, RUN)


def signals(*sights: Sight, lasts: timedelta = LASTS) -> tuple[Signal, ...]:
    names = ("primary-silent", "sentinel-stale", "request")
    # A request is measured only now.
    times = (lasts, lasts, timedelta(0))
    return tuple(Signal(name, sight, "seen", time) for name, sight, time in zip(names, sights, times, strict=True))


LOST, WELL, UNKNOWN = Sight.LOST, Sight.WELL, Sight.UNKNOWN
COMPLIANT = Facts(AutomationMode.AUTOMATIC, signals(LOST, LOST, LOST), IncidentState())
INTERRUPTED = replace(COMPLIANT, state=IncidentState(incident=INCIDENT, lease=DIED, automation=Automation(armed=False)))


def against(**changes: object) -> str:
    """Return the only reason for which automation does nothing."""
    found = decide(replace(COMPLIANT, **changes))  # type: ignore[arg-type]
    assert found.action is Action.NOTHING
    (reason,) = found.reasons
    return reason


@pytest.mark.parametrize(
    ("mode", "action"), [(AutomationMode.AUTOMATIC, Action.FAILOVER), (AutomationMode.PREPARE, Action.PREPARE)]
)
def test_lost_primary_region_starts_the_operation_of_the_mode_with_the_signals(
    mode: AutomationMode, action: Action
) -> None:
    found = decide(replace(COMPLIANT, mode=mode))

    assert (found.action, found.resumes) == (action, False)
    assert found.reasons == ("primary-silent: lost (seen)", "sentinel-stale: lost (seen)", "request: lost (seen)")


def test_mode_notify_leaves_the_decision_to_an_operator() -> None:
    assert against(mode=AutomationMode.NOTIFY) == "dr:automation is notify: an operator decides (`dr failover`)"


def test_paused_automation_does_nothing() -> None:
    state = IncidentState(automation=Automation(paused="maintenance"))

    assert against(state=state) == "an operator paused automation (maintenance); `dr resume` switches it on"


def test_open_incident_allows_no_second_run() -> None:
    state = IncidentState(incident=INCIDENT, automation=Automation(armed=False))

    assert against(state=state) == (f"failover {RUN} is open since 2026-11-28T12:05:10+00:00; `dr failback` closes it")


def test_disarmed_automation_waits_for_failback() -> None:
    assert against(state=IncidentState(automation=Automation(armed=False))) == (
        "automation is disarmed; `dr failback` arms it"
    )


def test_operator_who_holds_the_lease_is_not_disturbed() -> None:
    assert against(held="eva@laptop (process 7)") == "eva@laptop (process 7) operates"


@pytest.mark.parametrize("sights", [(UNKNOWN, LOST, LOST), (LOST, UNKNOWN, LOST), (LOST, LOST, UNKNOWN)])
def test_unknown_signal_prevents_an_action_even_with_a_quorum(sights: tuple[Sight, ...]) -> None:
    found = decide(replace(COMPLIANT, signals=signals(*sights)))

    assert found.action is Action.NOTHING
    assert found.reasons[0].startswith("a signal is unknown: ")


@pytest.mark.parametrize("sights", [(WELL, WELL, LOST), (LOST, WELL, WELL), (WELL, WELL, WELL)])
def test_signals_without_a_quorum_prevent_an_action(sights: tuple[Sight, ...]) -> None:
    assert against(signals=signals(*sights)).startswith("fewer than 2 signals see the primary region lost")


def test_quorum_without_the_request_is_enough() -> None:
    assert decide(replace(COMPLIANT, signals=signals(LOST, LOST, WELL))).action is Action.FAILOVER


def test_quorum_has_to_last_for_the_minimum_time() -> None:
    short = LASTS - timedelta(seconds=1)

    assert against(signals=signals(LOST, LOST, LOST, lasts=short)) == (
        "2 signals see the primary region lost for 59 s of 1 min"
    )


def test_quorum_that_includes_a_single_measurement_has_not_lasted() -> None:
    assert "lost for 0 s" in against(signals=signals(LOST, WELL, LOST))


def test_second_automatic_run_waits_for_the_minimum_delay() -> None:
    assert against(since_last=APART - timedelta(minutes=1)) == (
        "the last automatic run started 59 min ago; the next one may start after 1 h"
    )
    assert decide(replace(COMPLIANT, since_last=APART)).action is Action.FAILOVER


def test_every_reason_is_given_at_once() -> None:
    found = decide(Facts(AutomationMode.NOTIFY, signals(WELL, WELL, WELL), IncidentState(automation=Automation(False))))

    assert len(found.reasons) == 3


# Resumption ----------------------------------------------------------------------------------------------------------


def test_run_of_automation_whose_process_died_is_resumed() -> None:
    found = decide(INTERRUPTED)

    assert (found.action, found.resumes) == (Action.FAILOVER, True)


@pytest.mark.parametrize(
    "lease",
    [
        replace(DIED, holder=""),
        replace(DIED, holder="eva@laptop (process 7)"),
        replace(DIED, run="20261128T130510Z-aaaaaa"),
    ],
    ids=["failed", "an operator's", "of another run"],
)
def test_other_interrupted_runs_are_left_to_an_operator(lease: Lease) -> None:
    found = decide(replace(INTERRUPTED, state=replace(INTERRUPTED.state, lease=lease)))

    assert found.action is Action.NOTHING


@pytest.mark.parametrize(
    "facts",
    [
        replace(INTERRUPTED, held=DIED.holder),
        replace(INTERRUPTED, mode=AutomationMode.NOTIFY),
        replace(INTERRUPTED, state=replace(INTERRUPTED.state, automation=Automation(False, "stop"))),
    ],
    ids=["alive", "notify", "paused"],
)
def test_interrupted_run_is_not_resumed_while_it_lives_or_automation_is_off(facts: Facts) -> None:
    assert decide(facts).action is Action.NOTHING


# Guards --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.MISSED, Status.UNKNOWN])
def test_guard_that_is_not_met_prevents_an_action(status: Status) -> None:
    sick = Finding("recovery-ready", status, "us-west-2 does not answer either")

    found = unmet([Finding("account", Status.MET, "account 123456789012"), sick])

    assert found
    assert found.reasons == (f"recovery-ready is {status}: us-west-2 does not answer either",)
    assert unmet([replace(sick, status=Status.MET)]) is None


def test_state_forbids_a_run_once_it_was_paused_or_an_incident_was_opened() -> None:
    assert state_forbids(IncidentState()) == ()
    assert state_forbids(IncidentState(automation=Automation(paused="stop")))
    assert state_forbids(IncidentState(incident=INCIDENT))
