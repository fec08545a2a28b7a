"""Steps that hand over what writes backups: it writes in the region that serves, and in no other.

AWS Backup is not a part of it: its plan for the recovery region's data is deployed by `pulumi up -s dr`, which reads
that the region serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from dr.clients import Missing
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.topology.topology import Role
from dr.topology.writers import WRITERS, Writer

WITHOUT = "backups are written in no region, or in both, until the next `pulumi up` of both stacks"


def hand_over(name: str, role: Role, serves: bool, after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that activates or stops what writes backups in the cluster of a region.

    Args:
        name: Name of the step.
        role: Role of the region.
        serves: Whether clients use the region from now on.
        after: Names of the steps that must be done before.
    """

    def differing(scene: Scene) -> list[Writer]:
        return [each for each, fields in _found(scene, role) if fields != each.fields(serves)]

    def evaluate(scene: Scene) -> Verdict:
        if scene.halves[role].cluster is None:
            return Verdict(State.DONE, "the region has no cluster")
        found = list(_found(scene, role))
        if not found:
            return Verdict(State.DONE, "the cluster has none of its own")
        lacking = [each.title for each, fields in found if fields != each.fields(serves)]
        if lacking:
            return Verdict(State.NEEDED, f"{'start' if serves else 'stop'} {', '.join(lacking)}")
        titles = ", ".join(each.title for each, _ in found)
        return Verdict(State.DONE, f"{'active' if serves else 'stopped'}: {titles}")

    def act(scene: Scene, report: Report) -> None:
        for each in ordered(differing(scene), serves):
            report(each.title, None)
            scene.cluster_of(role).merge(each.path, {"spec": each.fields(serves)})

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


def ordered(writers: Iterable[Writer], serves: bool) -> Sequence[Writer]:
    """Return writers in the order of change: what depends on another is stopped first. Pure."""
    found = list(writers)
    return found if serves else found[::-1]


def _found(scene: Scene, role: Role) -> Iterable[tuple[Writer, dict[str, object]]]:
    """Yield the writers that the region's cluster has, with their fields; an existing cluster has its own backups."""
    for each in WRITERS:
        try:
            spec = scene.cluster_of(role).get(each.path).get("spec", {})
        except Missing:
            continue
        yield each, {field: spec.get(field) for field in each.active}
