"""`dr sets`: versions of model sets in both regions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, application, errors_shown, exits, print_result
from dr.cli.options import Project, Stack, Yes, region_names
from dr.errors import Exit, Invalid, Problem

app = application("sets", "Versions of model sets in both regions.")

EXITS = {
    "sets list": {
        Exit.REFUSED: "No stack is deployed.",
        Exit.UNKNOWN: "A region does not answer, or a manifest cannot be read; the rest is listed.",
    },
    "sets publish": {
        Exit.OK: "The version is published, or the newest one has the same content.",
        Exit.FAILED: "An object could not be written, or a region does not answer; no manifest was written.",
        Exit.REFUSED: "No stack is deployed.",
    },
    "sets restore": {
        Exit.OK: "The version is restored; or, without --yes, the plan can be executed.",
        Exit.FAILED: "An object could not be copied, or a region does not answer. The same command continues.",
        Exit.REFUSED: "A newer version would no longer be served, or neither region holds an object.",
    },
    "sets verify": {
        Exit.OK: "Each region holds the newest version whole, or the version that was named.",
        Exit.FAILED: "A region lacks an object, or no version is published.",
        Exit.REFUSED: "No stack is deployed.",
        Exit.UNKNOWN: "Something could not be measured, and nothing is known to be missing.",
    },
}
"""What exit codes mean, by command."""

SHOWN = 10

Name = Annotated[str, typer.Option("--name", help="The model set; by default that of `dr:modelSet`.")]


@app.command("list", epilog=exits(EXITS["sets list"]))
def list_(
    name: Annotated[str, typer.Option("--name", help="List this model set only.")] = "",
    every: Annotated[
        bool, typer.Option("--all", help=f"List every version, not only the {SHOWN} newest of each set.")
    ] = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """List versions, and whether each region holds them.

    Objects are compared by version ID and size. `dr sets verify` compares their hashes.
    """
    from dr.cli.sets_report import list_dict, list_text
    from dr.config.project import load_topology
    from dr.data.listing import run

    with errors_shown(as_json):
        found = run(load_topology(project, stack), name, 0 if every else SHOWN)
    print_result(as_json, lambda: list_dict(found), lambda: list_text(found))
    raise typer.Exit(found.exit_code)


@app.command(epilog=exits(EXITS["sets publish"]))
def publish(
    folder: Annotated[
        Path | None, typer.Argument(help="The folder of the files, or of a run of MLflow.", show_default=False)
    ] = None,
    run_id: Annotated[str, typer.Option("--run", help="Publish this run of MLflow's tracking server instead.")] = "",
    part: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN=PART", help="The part of files with these paths: '*.csv=data'. Repeatable."),
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="A file or folder elsewhere that is data of the set. Repeatable.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="Accept a set without this part. Repeatable.")
    ] = None,
    probe: Annotated[
        Path | None, typer.Option(help="JSON file with a request and its known outputs.", show_default=False)
    ] = None,
    image: Annotated[
        str, typer.Option(help="The image that serves the model, by digest; by default that of `dr:inferenceImage`.")
    ] = "",
    region: Annotated[
        str, typer.Option(help="The region to write to; by default the primary region.", autocompletion=region_names)
    ] = "",
    name: Name = "",
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Publish a folder or an MLflow run as a new version.

    The parts of a set are data, parameters, metrics and model. A folder or file with the name of a part belongs to it:
    data/, model.joblib. A file that belongs to no part is refused. Each object is uploaded with its SHA-256, and the
    manifest is written last. If the newest version has the same content and is intact, it is kept.
    """
    from dr.cli.report import progress
    from dr.cli.sets_report import publish_dict, publish_text
    from dr.config.project import load_topology, project_folder
    from dr.data.regions import place_of
    from dr.data.set_publishing import Source, read_probe
    from dr.data.set_publishing import run as run_publish
    from dr.supply.items import digest_of
    from dr.supply.lock import read

    with errors_shown(as_json), progress(not as_json) as report:
        topology = load_topology(project, stack)
        digest = digest_of(image or topology.serving.inference_image, read(project_folder(project)))
        if image and not digest:
            raise Invalid(Problem("--image", f"{image} has no digest", "use registry/name:tag@sha256:DIGEST"))
        found = run_publish(
            place_of(topology, region),
            name or topology.serving.model_set,
            Source(folder, run_id, part or (), data or (), without or ()),
            report,
            read_probe(probe) if probe else None,
            digest,
        )
    print_result(as_json, lambda: publish_dict(found), lambda: publish_text(found))


@app.command(epilog=exits(EXITS["sets verify"]))
def verify(
    version: Annotated[str, typer.Argument(help="ID of the version to verify; by default the newest.")] = "",
    name: Name = "",
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Show the newest version that each region can recover.

    A version is recoverable in a region when that region holds every object version of its manifest with its hash.
    Hashes are compared with S3's own checksums, so that objects are not downloaded. Objects without such a checksum are
    read; the result says how many bytes that took.
    """
    from dr.cli.report import progress
    from dr.cli.sets_report import verify_dict, verify_text
    from dr.config.project import load_topology
    from dr.data.verification import run

    with errors_shown(as_json), progress(not as_json) as report:
        topology = load_topology(project, stack)
        found = run(topology, name or topology.serving.model_set, version, report)
    print_result(as_json, lambda: verify_dict(found), lambda: verify_text(found))
    raise typer.Exit(found.exit_code)


@app.command(epilog=exits(EXITS["sets restore"]))
def restore(
    version: Annotated[str, typer.Argument(help="ID of the version to restore.", show_default=False)],
    region: Annotated[str, typer.Option(help="The region to restore in.", autocompletion=region_names)],
    to: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Copy the objects to this prefix instead.", show_default=False)
    ] = None,
    name: Name = "",
    overwrite_newer: Annotated[
        bool, typer.Option("--overwrite-newer", help="Serve the restored version although newer ones exist.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Restore a version of a model set in a region.

    Shows the plan. With --yes, or after a question, copies the objects to a new version of the set, which inference
    serves then; objects that the region lost come from the other region. With --to, copies them to a prefix of their
    buckets instead. Hashes are compared after each copy. The same command continues after an interruption.
    """
    from dr.cli.report import progress
    from dr.cli.restore import may_execute
    from dr.cli.sets_report import set_restore_dict, set_restore_text
    from dr.config.project import load_topology
    from dr.data.regions import pair_of
    from dr.data.set_restore import execute
    from dr.data.set_restore_plan import Wanted, plan

    with errors_shown(as_json):
        topology = load_topology(project, stack)
        place, other = pair_of(topology, region)
        wanted = Wanted(place, other, name or topology.serving.model_set, version, to, overwrite_newer)
        with progress(not as_json) as report:
            found = plan(wanted, report)
        if not yes:
            print_result(as_json, lambda: set_restore_dict(found), lambda: set_restore_text(found))
            if not may_execute(found.refusal, found.to_write, as_json, "Restore this version now?"):
                return
        with progress(not as_json) as report:
            found = execute(found, report)
    print_result(as_json, lambda: set_restore_dict(found), lambda: set_restore_text(found))
