"""The command `dr drill`: rehearse a loss with a stopwatch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, errors_shown, exits, print_result
from dr.cli.options import Project, Stack
from dr.errors import Exit, Invalid, Problem

EXITS = {
    "drill": {
        Exit.OK: "Every objective is met; or `stop` has cleaned up.",
        Exit.FAILED: "An objective is missed, or a step failed.",
        Exit.REFUSED: "The starting point is not healthy; nothing was changed.",
        Exit.UNKNOWN: "An objective could not be measured, and none is known to be missed.",
    },
}
STOP, LIST = "stop", "list"


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("drill", epilog=exits(EXITS["drill"]))(drill)


def _names(incomplete: str) -> list[str]:
    """Return the arguments that begin with a text, for the completion of the shell."""
    from dr.drills.catalog import DRILLS

    return [each for each in (*DRILLS, LIST, STOP) if each.startswith(incomplete)]


def drill(
    name: Annotated[str, typer.Argument(help="The drill; or list, or stop.", autocompletion=_names)] = LIST,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Rehearse a loss, and compare it with the objectives.

    Breaks something, and runs the steps of `dr failover` and `dr failback` if the fault needs them, while clients
    outside both regions send requests and an object is written each second. Works on the sandbox, and runs its clock
    faster while modelled durations pass; region-isolation, data-corruption and backup-restore also work on AWS. Leaves
    an evidence folder with a report. Whatever fails, it ends the fault and fails back; `dr drill stop` does so after a
    drill that was killed. Without a name, lists the drills.
    """
    from dr.drills.catalog import DRILLS
    from dr.spelling import did_you_mean

    with errors_shown(as_json):
        if name == LIST:
            from dr.cli.drill_report import list_dict, list_text

            print_result(as_json, lambda: list_dict(DRILLS.values()), lambda: list_text(DRILLS.values()))
            return
        if name == STOP:
            _stop(as_json, project, stack)
            return
        if name not in DRILLS:
            known = [*DRILLS, LIST, STOP]
            raise Invalid(Problem("drill", f'"{name}" does not exist', did_you_mean(name, known, "`dr drill list`")))
        _run(name, as_json, project, stack)


def _run(name: str, as_json: bool, project: Path, stack: str) -> None:
    from dr.cli.drill_report import result_text
    from dr.cli.run_progress import RunProgress
    from dr.config.project import load_topology, project_folder
    from dr.drills import evidence
    from dr.drills.backup_restore import BackupRestore
    from dr.drills.catalog import DRILLS, Fault
    from dr.drills.corruption import Corruption
    from dr.drills.deployment import Deployment
    from dr.drills.environment import in_sandbox, sandbox
    from dr.drills.isolation import Isolation
    from dr.drills.rehearsals import REHEARSALS
    from dr.operations.pulumi_cli import PulumiStack
    from dr.operations.scene import Options, read_scene
    from dr.operations.step_runner import new_run

    topology, run, drill = load_topology(project, stack), new_run(), DRILLS[name]
    if drill.fault is Fault.CONNECTIONS:
        scene = read_scene(topology, Options(f"drill {name}", run))
        with RunProgress(quiet=as_json) as watcher:
            found = evidence.write_isolation(scene, Isolation(scene, watcher.say, in_sandbox()).execute())
    elif drill.fault is Fault.DATA:
        scene = read_scene(topology, Options(f"drill {name}", run))
        with RunProgress(quiet=as_json) as watcher:
            found = evidence.write_corruption(scene, Corruption(scene, watcher.say).execute())
    elif drill.fault is Fault.BACKUPS:
        scene = read_scene(topology, Options(f"drill {name}", run))
        with RunProgress(quiet=as_json) as watcher:
            found = evidence.write_backups(scene, BackupRestore(scene, watcher.say).execute())
    else:
        place = sandbox(name)
        with RunProgress(quiet=as_json) as watcher:
            log = evidence.log_of(run)
            recovery = Deployment(PulumiStack(project_folder(project), stack), place, watcher.say)
            rehearsal = REHEARSALS[drill.fault](topology, drill, place, log, watcher, watcher.say, recovery, run)
            record = rehearsal.execute()
            found = evidence.write(rehearsal.scene, record)
    print_result(as_json, lambda: asdict(found.document), lambda: result_text(found))
    if code := {"missed": Exit.FAILED, "unknown": Exit.UNKNOWN}.get(found.document.verdict.value):
        raise typer.Exit(code)


def _stop(as_json: bool, project: Path, stack: str) -> None:
    from dr.cli.run_progress import RunProgress
    from dr.config.project import load_topology, project_folder
    from dr.drills import cleanup
    from dr.drills.environment import in_sandbox, sandbox
    from dr.operations.pulumi_cli import PulumiStack
    from dr.operations.scene import Options, read_scene
    from dr.operations.step_runner import new_run

    scene = read_scene(load_topology(project, stack), Options("drill stop", new_run()))
    place = sandbox(STOP) if in_sandbox() else None
    with RunProgress(quiet=as_json) as watcher:
        done = cleanup.stop(scene, place, PulumiStack(project_folder(project), stack), watcher, watcher.say)
    text = f"Cleaned up: {', '.join(done)}." if done else "Nothing was left of a drill."
    print_result(as_json, lambda: {"cleaned": done}, lambda: text)
