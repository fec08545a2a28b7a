"""Steps that make the recovery region's database the writer: by a failover or a switchover of the global database.

Only the recovery region is called. Inference needs no database, so its clients are moved without waiting for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from dr.clients import calls, client
from dr.data import global_database
from dr.data.global_database import AVAILABLE
from dr.errors import DrError
from dr.operations import losses
from dr.operations.database_steps import NONE, SLOW, cluster_name, is_restored, placed
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict


def fail_over(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that promotes the recovery region's cluster while the primary region is lost."""

    def loses(scene: Scene) -> tuple[str, ...]:
        try:
            return (losses.of_database(scene).fact,)
        except DrError as error:
            return (f"rows: unknown, {error.problems[0].fact}",)

    def act(scene: Scene, report: Report) -> None:
        change_to(scene.region, scene, placed(scene).arn, lost=True)

    return Step(
        name="promote-database",
        title="Make the recovery region's database the writer",
        evaluate=lambda scene: _evaluated(scene, loses),
        act=act,
        verify=_promoted,
        timeout=timedelta(minutes=30),
        expected=timedelta(minutes=8),
        source="one measured managed failover took about 8 minutes (keycloak-benchmark, issue 445)",
        poll=timedelta(seconds=2),
        after=after,
        phase=Phase.DATA,
        slow=SLOW,
        without="the recovery region's database only reads: the model registry takes no changes",
    )


def switch_over(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that exchanges the clusters' roles while both regions are healthy. No row is lost."""

    def act(scene: Scene, report: Report) -> None:
        change_to(scene.region, scene, placed(scene).arn, lost=False)

    return Step(
        name="switch-database",
        title="Switch the database over to the recovery region",
        evaluate=lambda scene: _evaluated(scene, lambda scene: ()),
        act=act,
        verify=_promoted,
        timeout=timedelta(minutes=30),
        expected=timedelta(minutes=5),
        source="an estimate: minutes, in proportion to the lag (Aurora user guide, on switchovers)",
        poll=timedelta(seconds=2),
        after=after,
        phase=Phase.DATA,
        slow=SLOW,
        without="the primary region's database goes on to be the writer",
    )


def change_to(region: str, scene: Scene, arn: str, lost: bool) -> None:
    """Make a cluster the writer, unless RDS does so already or has done so. Raises as `clients.calls`.

    A failover is called in the region of the new writer, and a switchover in that of the present one (Aurora user
    guide, "Using switchover or failover in Amazon Aurora Global Database", examples of the AWS CLI).

    Args:
        region: Region of the cluster.
        scene: The recovery region.
        arn: ARN of the cluster.
        lost: Whether the region of the present writer is lost.
    """
    home = scene.primary.database
    if home is None or is_restored(scene):
        return
    found = global_database.read_global(region, home.global_cluster)
    if found.writes(arn) or (found.change and found.target == arn):
        return
    names = {"GlobalClusterIdentifier": found.identifier, "TargetDbClusterIdentifier": arn}
    with calls(f"global database {found.identifier}", region):
        if lost:
            client("rds", region).failover_global_cluster(AllowDataLoss=True, **names)
        else:
            there = found.primary.region if found.primary else region
            client("rds", there).switchover_global_cluster(**names)


def _evaluated(scene: Scene, loses: Callable[[Scene], tuple[str, ...]]) -> Verdict:
    found = _promoted(scene)
    return found if found.state is State.DONE else Verdict(found.state, found.detail, loses(scene))


def _promoted(scene: Scene) -> Verdict:
    """Return whether the recovery region's cluster is the writer, as that region describes it."""
    home = scene.primary.database
    if home is None:
        return NONE
    name = cluster_name(scene)
    cluster = global_database.read_cluster(scene.region, name)
    if cluster is None or cluster.status != AVAILABLE:
        return Verdict(State.NEEDED, f"{name} {f'is {cluster.status}' if cluster else 'does not exist yet'}")
    if is_restored(scene):
        return Verdict(State.DONE, f"{name} was restored, and belongs to no global database")
    found = global_database.read_global(scene.region, home.global_cluster)
    if not found.writes(placed(scene).arn):
        return Verdict(State.NEEDED, f"the writer is {found.writer}")
    if not any(cluster.instances.values()):
        return Verdict(State.NEEDED, f"{name} is the primary cluster, and none of its instances writes yet")
    return Verdict(State.DONE, f"{name} is the writer of {found.identifier}")
