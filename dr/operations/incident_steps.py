"""Steps that open and close the incident, and that disarm and arm automation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from dr.control.incident_state import Automation, Incident, IncidentState
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict


def open_incident(operation: str) -> Step[Scene]:
    """Return the step that opens the incident and disarms automation, before anything else is changed."""

    def evaluate(scene: Scene) -> Verdict:
        state = scene.state()
        if state.incident and not state.automation.armed:
            return Verdict(State.DONE, f"incident {state.incident.id} is open since {state.incident.opened}")
        return Verdict(State.NEEDED, "no incident is open")

    def act(scene: Scene, report: Report) -> None:
        opened = datetime.now(UTC).isoformat(timespec="seconds")
        incident = Incident(scene.options.run, opened, scene.options.reason, operation)

        def change(state: IncidentState) -> IncidentState:
            off = replace(state.automation, armed=False)
            return replace(state, incident=state.incident or incident, automation=off)

        scene.held.update(change)

    return Step(
        name="open-incident",
        title="Open the incident and disarm automation",
        evaluate=evaluate,
        act=act,
        after=(),
        phase=Phase.DECIDE,
    )


def close_incident(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that closes the incident, clears the activation and arms automation again."""

    def evaluate(scene: Scene) -> Verdict:
        state = scene.state()
        if state.incident is None and state.activation is None and state.automation.armed:
            return Verdict(State.DONE, "no incident is open, and automation is armed")
        return Verdict(State.NEEDED, f"incident {state.incident.id if state.incident else 'none'}")

    def act(scene: Scene, report: Report) -> None:
        scene.held.update(
            lambda state: replace(
                state, incident=None, activation=None, automation=Automation(True, state.automation.paused)
            )
        )

    return Step(
        name="close-incident",
        title="Close the incident and arm automation",
        evaluate=evaluate,
        act=act,
        after=after,
        phase=Phase.VERIFY,
    )
