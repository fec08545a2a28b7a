"""Steps for data: the model set that the recovery region serves, and what has not arrived."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from dr.clients import calls, client, read_object
from dr.data import model_sets
from dr.data.model_sets import Manifest
from dr.errors import DrError, Failed, Problem
from dr.functions.prober import sentinel_age
from dr.names import CONTROL
from dr.operations.scene import Scene
from dr.operations.steps import Phase, Report, State, Step, Verdict
from dr.pods.copy_registry import current
from dr.topology.tiers import describe_duration
from dr.topology.topology import Role

REVERSE_KEY = "control/failback-sentinel.json"
"""Object that failback writes in the recovery region, to see that it arrives in the primary region."""


def newest_whole(scene: Scene) -> tuple[Manifest | None, list[Manifest]]:
    """Return the newest version of the model set that the recovery region holds whole, and the newer incomplete ones.

    Raises:
        Unreachable: The region does not answer.
    """
    incomplete: list[Manifest] = []
    for manifest in model_sets.manifests(scene.region, scene.buckets, scene.topology.serving.model_set):
        if not model_sets.missing(scene.region, scene.buckets, manifest):
            return manifest, incomplete
        incomplete.append(manifest)
    return None, incomplete


def choose_set(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that finds the model set that replicas load: the newest that is whole here."""

    def evaluate(scene: Scene) -> Verdict:
        found, incomplete = newest_whole(scene)
        lost = tuple(f"model set {each.set_id}, published {each.created}: not whole here" for each in incomplete)
        if found is None:
            name = scene.topology.serving.model_set
            return Verdict(State.NEEDED, f"no version of {name} is whole in {scene.region}", lost)
        return Verdict(State.DONE, f"{found.set_id} is whole in {scene.region}", lost)

    def act(scene: Scene, report: Report) -> None:
        name = scene.topology.serving.model_set
        remedy = f"`dr sets publish --region {scene.region}`, or `dr sets restore` of a version that is whole elsewhere"
        raise Failed(Problem(f"model set {name}", f"no version is whole in {scene.region}", remedy))

    return Step(
        name="choose-set",
        title="Find the newest model set that is whole",
        evaluate=evaluate,
        act=act,
        after=after,
        phase=Phase.DATA,
    )


def loss(scene: Scene, lost_at: datetime) -> timedelta:
    """Return the longest period of acknowledged writes that may not have arrived in the recovery region.

    Args:
        scene: The recovery region.
        lost_at: When the primary region was lost.

    Raises:
        Missing: No sentinel has ever arrived.
        Invalid: The newest one cannot be read.
        Unreachable: The region does not answer.
    """
    return timedelta(seconds=sentinel_age(scene.region, scene.topology.bucket(CONTROL, Role.RECOVERY), lost_at))


def arrived(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that waits until a write after the switch has arrived: everything before it has, too."""
    name = "arrived"

    def evaluate(scene: Scene) -> Verdict:
        return verify(scene) if name in scene.times else Verdict(State.NEEDED, "the switch is not done yet")

    def act(scene: Scene, report: Report) -> None:
        scene.times[name] = datetime.now(UTC)

    def verify(scene: Scene) -> Verdict:
        lacking = loss(scene, scene.times[name])
        if lacking:
            return Verdict(State.NEEDED, f"writes of the last {describe_duration(lacking)} have not arrived")
        return Verdict(State.DONE, f"every write of {scene.home} before the switch has arrived")

    return Step(
        name=name,
        title="Wait for the last writes of the primary region",
        evaluate=evaluate,
        act=act,
        verify=verify,
        timeout=timedelta(minutes=20),
        expected=timedelta(seconds=60),
        source="S3 Replication Time Control: most objects within seconds, 99.99 % within 15 minutes",
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.DATA,
        slow="the alarm sentinel-late, and the replication metrics in the primary region",
        without="writes of the primary region before the switch may not have arrived",
    )


def catch_up(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that waits until what the recovery region wrote has arrived in the primary region."""
    name = "catch-up"

    def evaluate(scene: Scene) -> Verdict:
        return verify(scene) if name in scene.times else Verdict(State.NEEDED, "not measured yet")

    def act(scene: Scene, report: Report) -> None:
        written = datetime.now(UTC)
        bucket = scene.topology.bucket(CONTROL, Role.RECOVERY)
        with calls(f"s3://{bucket}/{REVERSE_KEY}", scene.region):
            client("s3", scene.region).put_object(
                Bucket=bucket, Key=REVERSE_KEY, Body=json.dumps({"written": written.isoformat()}).encode()
            )
        scene.times[name] = written

    def verify(scene: Scene) -> Verdict:
        wanted = scene.times[name]
        try:
            found = json.loads(read_object(scene.home, scene.topology.bucket(CONTROL, Role.PRIMARY), REVERSE_KEY))[
                "written"
            ]
        except DrError as error:
            return Verdict(State.NEEDED, f"not arrived in {scene.home}: {error.problems[0].fact}")
        if found != wanted.isoformat():
            return Verdict(State.NEEDED, f"the newest object in {scene.home} was written {found}")
        took = datetime.now(UTC) - wanted
        return Verdict(
            State.DONE, f"an object of {scene.region} arrived in {scene.home} after {describe_duration(took)}"
        )

    return Step(
        name=name,
        title="Wait for replication to the primary region",
        evaluate=evaluate,
        act=act,
        verify=verify,
        timeout=timedelta(minutes=30),
        expected=timedelta(seconds=60),
        source="S3 Replication Time Control: most objects within seconds, 99.99 % within 15 minutes",
        poll=timedelta(seconds=1),
        after=after,
        phase=Phase.DATA,
        slow="`dr status`, and the replication rules of the recovery region's buckets",
        without="objects that were written in the recovery region may be missing after failback",
    )


def compare(after: tuple[str, ...]) -> Step[Scene]:
    """Return the step that compares every bucket pair object by object."""

    def evaluate(scene: Scene) -> Verdict:
        differing = []
        for pair, sides in scene.primary.buckets.items():
            if pair == CONTROL:
                continue  # its documents change while they are compared
            here, there = _newest(scene.region, sides.recovery), _newest(scene.home, sides.primary)
            differing += [
                f"{pair}/{key}" for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)
            ]
        if differing:
            return Verdict(State.NEEDED, f"{len(differing)} objects differ, first {differing[0]}")
        return Verdict(State.DONE, f"both sides of {len(scene.primary.buckets) - 1} bucket pairs are equal")

    return Step(
        name="compare-data",
        title="Compare both regions object by object",
        evaluate=evaluate,
        act=lambda scene, report: None,
        timeout=timedelta(minutes=15),
        expected=timedelta(seconds=5),
        poll=timedelta(seconds=2),
        after=after,
        phase=Phase.DATA,
        without="objects that differ between the regions are not known",
    )


def _newest(region: str, bucket: str) -> dict[str, str]:
    """Return the ID of each object's current version. A replica has its source's version ID."""
    return {key: live.version_id for key, live in current(region, bucket).items()}
