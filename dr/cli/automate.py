"""The command `dr automate`: what automation does on the loss of the primary region."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dr.cli.command import Json, errors_shown, exits, print_result, version
from dr.cli.options import Project, Stack
from dr.errors import Exit

if TYPE_CHECKING:
    from dr.operations.automatic import Considered
    from dr.operations.step_runner import Outcome

EXITS = {
    "automate": {
        Exit.OK: "Nothing is to be done, with the reason; or the operation is done.",
        Exit.FAILED: "A step failed; an operator decides.",
        Exit.REFUSED: "Another process operates, or the incident state changed meanwhile; nothing was changed.",
    },
}


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("automate", epilog=exits(EXITS["automate"]))(automate)


def automate(
    yes: Annotated[bool, typer.Option("--yes", help="Act. Without it, the decision is shown.")] = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Decide once whether automation acts, and act.

    `dr:automation` says what it does when the primary region is lost: nothing, capacity only, or a failover. It acts
    when two of three signals have seen the primary region lost for a minute, no signal is unknown, every guard is met,
    no incident is open, and no operator has paused it. It runs the steps that an operator would run. Several starts at
    once open one incident. A function in the recovery region starts it when the region is lost.
    """
    from dr.cli.run_progress import RunProgress
    from dr.config.project import load_topology
    from dr.evidence.recording import Recording
    from dr.operations import automatic

    outcomes: list[Outcome] = []
    with errors_shown(as_json):
        scene = automatic.scene_of(load_topology(project, stack))
        found = automatic.consider(scene)
        if yes and found.plan:
            expected = {each.step.name: each.expected for each in found.plan.steps}
            with (
                Recording(scene, found.plan.run, {"dr": version()}),
                RunProgress(expected, quiet=as_json) as watcher,
            ):
                outcomes = automatic.act(scene, found, watcher)
    print_result(as_json, lambda: automate_dict(found, outcomes), lambda: automate_text(found, outcomes))


def automate_dict(found: Considered, outcomes: list[Outcome]) -> dict[str, Any]:
    """Return the decision as JSON values, with the steps that ran."""
    return {
        "mode": str(found.facts.mode),
        "action": str(found.decision.action),
        "resumes": found.decision.resumes,
        "reasons": list(found.decision.reasons),
        "signals": [str(each) for each in found.facts.signals],
        "run": found.plan.run if found.plan else None,
        "done": bool(outcomes),
        "steps": [{"name": each.step, "changed": each.changed, "detail": each.detail} for each in outcomes],
    }


def automate_text(found: Considered, outcomes: list[Outcome]) -> str:
    """Return the decision as text."""
    action = str(found.decision.action)
    if found.plan is None:
        first = "Automation does nothing:"
    elif outcomes:
        first = f"{action} {found.plan.run} is done:"
    else:
        first = f"Automation would start the operation {action}; add --yes to act:"
    return "\n".join((first, *(f"- {reason}" for reason in found.decision.reasons)))
