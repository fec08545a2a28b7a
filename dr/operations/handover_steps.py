"""Steps that hand over what writes backups: it writes in the region that serves, and in no other.

AWS Backup is not a part of it: its plan for the recovery region's data is deployed by `pulumi up -s dr`, which reads
that the region serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import timedelta

from dr.clients import Missing
from dr.clusters.api_client import ClusterApi
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.topology.topology import Role
from dr.topology.writers import WRITERS, Writer

Found = list[tuple[Writer, Mapping[str, object]]]
WITHOUT = "backups are written in no region, or in both, until the next `pulumi up` of both stacks"


def hand_over(name: str, role: Role, serves: bool, after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that activates or stops what writes backups in the cluster of a region.

    Args:
        name: Name of the step.
        role: Role of the region.
        serves: Whether clients use the region from now on.
        after: Names of the steps that must be done before.
    """

    def evaluate(scene: Scene) -> Verdict:
        if scene.halves[role].cluster is None:
            return Verdict(State.DONE, "the region has no cluster")
        found = _found(scene.cluster_of(role))
        if not found:
            return Verdict(State.DONE, "the cluster has none of its own")
        if lacking := _differing(found, serves):
            return Verdict(State.NEEDED, f"{'start' if serves else 'stop'} {_titles(lacking)}")
        return Verdict(State.DONE, f"{'active' if serves else 'stopped'}: {_titles(each for each, _ in found)}")

    def act(scene: Scene, report: Report) -> None:
        cluster = scene.cluster_of(role)
        differing = _differing(_found(cluster), serves)
        # What depends on another is stopped first.
        for each in differing if serves else differing[::-1]:
            report(each.title, None)
            cluster.change(each.path, {"spec": each.fields(serves)})

    return Step(
        name=name,
        title=f"{'Start' if serves else 'Stop'} backups in the {role} region",
        evaluate=evaluate,
        act=act,
        expected=timedelta(seconds=2),
        after=after,
        phase=Phase.DATA,
        slow="the API server of the cluster",
        without=WITHOUT,
    )


def _found(cluster: ClusterApi) -> Found:
    """Return the writers that a cluster has, with their specifications; an existing cluster has its own backups."""
    found: Found = []
    for each in WRITERS:
        with suppress(Missing):
            found.append((each, cluster.get(each.path).get("spec", {})))
    return found


def _differing(found: Found, serves: bool) -> list[Writer]:
    return [each for each, spec in found if {name: spec.get(name) for name in each.active} != each.fields(serves)]


def _titles(writers: Iterable[Writer]) -> str:
    return ", ".join(each.title for each in writers)
