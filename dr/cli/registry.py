"""`dr registry`: the model registry as one consistent point of its database and its bucket."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dr.cli.command import Json, application, errors_shown, exits, print_result
from dr.cli.options import Project, Stack, Yes, region_names
from dr.cli.restore import AsOf, DeleteCreated, Overwrite
from dr.errors import Exit, Problem, Refused

app = application("registry", "The model registry: its database and its artifacts.")

EXITS = {
    "registry verify": {
        Exit.OK: "Database and bucket agree.",
        Exit.FAILED: "One names what the other does not have; or the server or the region does not answer.",
    },
    "registry restore": {
        Exit.OK: "The registry is restored; or, without --yes, the plan can be executed.",
        Exit.FAILED: "Something could not be restored, or the region does not answer. The same command continues.",
        Exit.REFUSED: "Newer artifacts would get older versions, RDS cannot restore to that time, or there is none.",
    },
}
Region = Annotated[str, typer.Option(help="The region; by default the primary region.", autocompletion=region_names)]


@app.command(epilog=exits(EXITS["registry verify"]))
def verify(
    tracking: Annotated[str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="URL of the MLflow server.")],
    region: Region = "",
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Compare MLflow's rows with the artifacts in a bucket.

    Lists artifacts that rows name and the bucket does not have, by their version in the newest backup, and objects that
    no row names. A run may have no artifacts, so what a run had is known from the newest backup.
    """
    from dr.cli.registry_report import agreement_dict, agreement_text
    from dr.cli.report import progress
    from dr.config.project import load_topology
    from dr.data.regions import pair_of, place_of
    from dr.data.registry_agreement import run

    with errors_shown(as_json), progress(not as_json) as report:
        topology = load_topology(project, stack)
        place, other = pair_of(topology, place_of(topology, region).region)
        found = run(place, other, tracking, report)
    print_result(as_json, lambda: agreement_dict(found), lambda: agreement_text(found))
    raise typer.Exit(found.exit_code)


@app.command(epilog=exits(EXITS["registry restore"]))
def restore(
    as_of: AsOf,
    region: Region = "",
    overwrite_newer: Overwrite = False,
    delete_created: DeleteCreated = False,
    yes: Yes = False,
    as_json: Json = False,
    project: Project = Path(),
    stack: Stack = "dr",
) -> None:
    """Restore database and artifacts of the registry as of one time.

    Shows the plan. With --yes, or after a question, restores the database of the region to a new cluster with an
    instance, and then the artifacts in their bucket. The present cluster is not changed, and no version is deleted.
    The same command continues after an interruption. Let MLflow use the new cluster; `dr registry verify` then shows
    whether both agree.
    """
    from dr.cli.registry_report import restore_dict, restore_text
    from dr.cli.report import progress
    from dr.cli.restore import may_execute, parse_time
    from dr.config.project import load_topology
    from dr.control.control_bucket import read_half
    from dr.data import prefix_restore
    from dr.data.regions import place_of
    from dr.data.registry_restore import Wanted, execute, plan
    from dr.names import ARTIFACTS, CONTROL, REGISTRY

    with errors_shown(as_json):
        at = parse_time(as_of, datetime.now(UTC))
        place = place_of(load_topology(project, stack), region)
        half = read_half(place.region, place.buckets[CONTROL], place.role)
        if half is None or half.database is None or not half.database.cluster:
            remedy = f"`dr restore --prefix {ARTIFACTS}` restores the artifacts alone; dr:database makes a database"
            raise Refused(Problem(f"the registry in {place.region}", "the region has no database cluster", remedy))
        artifacts = prefix_restore.Wanted(
            *(place.region, place.buckets[REGISTRY], ARTIFACTS, at, None, overwrite_newer, delete_created),
            records=place.buckets[CONTROL],
        )
        with progress(not as_json) as report:
            found = plan(Wanted(artifacts, half.database), report)
        if not yes:
            print_result(as_json, lambda: restore_dict(found), lambda: restore_text(found))
            if not may_execute(found.refusal, found.to_write, as_json, "Restore the registry now?"):
                raise typer.Exit(found.exit_code)
        with progress(not as_json) as report:
            found = execute(found, report)
    print_result(as_json, lambda: restore_dict(found), lambda: restore_text(found))
    raise typer.Exit(found.exit_code)
