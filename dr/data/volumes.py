"""EBS volumes: the restore of one from its newest copy."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dr.clients import Missing, calls, client
from dr.data import recovery_points, restore_jobs, restored
from dr.data.recovery_points import VOLUMES, Point
from dr.data.restore_jobs import Job
from dr.data.restored import Volume
from dr.errors import Failed, Invalid, Problem, Refused
from dr.spelling import did_you_mean

BACKUP_KEY, ENABLED, REPLICA = "backup", "enabled", "replica"
"""The tag by which backup plans select a volume, and its values."""
TEST_TAG = "awsbackup-restore-test"
"""Tag of what restore tests of AWS Backup create; they delete it."""
DRILL_TAG = "ml-dr-drill"
"""Tag of volumes that a drill has restored; its value is the run."""
RESTORED_FROM = "ml-dr-restored-from"
"""Tag of a restored volume with the ARN of its recovery point."""
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
CSI = "ebs.csi.aws.com"


@dataclass(frozen=True)
class Wanted:
    """A volume to restore.

    Args:
        region: The recovery region.
        vault: The vault with the copies.
        volume: ID of the volume that was backed up.
        zone: Zone of the new volume.
        role: ARN of the role that restores; "" for that of the backup job.
        again: A text that distinguishes this restore from one of the same recovery point before; "" for none.
    """

    region: str
    vault: str
    volume: str
    zone: str
    role: str = ""
    again: str = ""


@dataclass(frozen=True)
class Restore:
    """A restore: its plan, and what its execution did.

    Args:
        wanted: What is restored.
        point: The newest copy.
        token: Calls with the same token start one job.
        job: The job; None before it is executed.
        made: The new volume; None before.
    """

    wanted: Wanted
    point: Point
    token: str
    job: Job | None = None
    made: Volume | None = None


def copies(region: str, vault: str) -> list[Point]:
    """Return the newest copy of each volume, the newest first. Raises as `recovery_points.read`."""
    found = recovery_points.newest(recovery_points.read(region, vault), VOLUMES)
    return sorted(found.values(), key=lambda each: each.created, reverse=True)


def plan(wanted: Wanted, points: Sequence[Point]) -> Restore:
    """Return what would be restored. Pure.

    Args:
        wanted: What is restored.
        points: The newest copy of each volume.

    Raises:
        Invalid: No copy is of that volume.
    """
    by_name = {each.name: each for each in points}
    point = by_name.get(wanted.volume)
    if point is None:
        fact = f"{wanted.vault} in {wanted.region} has no copy of it"
        hint = "a volume is copied once it has the tag backup=enabled; `dr check` names those without it"
        raise Invalid(Problem(f"volume {wanted.volume}", fact, did_you_mean(wanted.volume, by_name, hint)))
    text = "|".join((point.arn, wanted.zone, wanted.again))
    return Restore(wanted, point, hashlib.sha256(text.encode()).hexdigest()[:32])


def check_zone(region: str, zone: str) -> None:
    """Check that a zone is one of a region.

    Raises:
        Invalid: It is not.
        Unreachable: The region does not answer.
    """
    with calls(f"zones of {region}", region):
        found = client("ec2", region).describe_availability_zones()["AvailabilityZones"]
    known = [each["ZoneName"] for each in found if each["State"] == "available"]
    if zone not in known:
        fix = did_you_mean(zone, known, f"use one of {', '.join(known)}")
        raise Invalid(Problem("--zone", f"{zone} is not an available zone of {region}", fix))


def execute(found: Restore, say: Callable[[str], None]) -> Restore:
    """Restore the volume, and check it. A repeated call finds the job of the first one.

    Args:
        found: The plan.
        say: Shows a line of progress.

    Raises:
        Refused: The volume of this recovery point was restored before, and is deleted.
        Failed: The job failed, or the volume differs from its recovery point.
        Unreachable: The region does not answer.
    """
    wanted, point = found.wanted, found.point
    request = restore_jobs.volume_request(point, wanted.zone, found.token, wanted.role)
    job = restore_jobs.wait(wanted.region, restore_jobs.start(request), say)
    try:
        made = restored.read_volume(wanted.region, job.name)
    except Missing as error:
        fact = f"job {job.id} restored {job.name} before, and it is deleted"
        raise Refused(Problem(f"volume {point.name}", fact, "--again restores another one")) from error
    own = {RESTORED_FROM: point.arn, BACKUP_KEY: ENABLED}
    if any(made.tags.get(key) != value for key, value in own.items()):
        with calls(f"volume {made.id}", wanted.region):
            pairs = [{"Key": key, "Value": value} for key, value in own.items()]
            client("ec2", wanted.region).create_tags(Resources=[made.id], Tags=pairs)
        made = replace(made, tags={**made.tags, **own})
    if wrong := faults(point, made):
        raise Failed(
            *(Problem(f"volume {made.id}", each, f"compare it with recovery point {point.arn}") for each in wrong)
        )
    return replace(found, job=job, made=made)


def faults(point: Point, made: Volume) -> list[str]:
    """Return what is wrong with a restored volume. Pure."""
    return restored.volume_faults(made, point.arn.rpartition("/")[2], point.size, {})


def check_claim(claim: str | None) -> None:
    """Check that a claim, if it is set, is a namespace and a name. Pure.

    Raises:
        Invalid: It is not.
    """
    namespace, _, name = (claim or "a/a").partition("/")
    if not (NAME.fullmatch(namespace) and NAME.fullmatch(name)):
        fact = f"{claim!r} is not NAMESPACE/NAME in lower-case letters, digits and -"
        raise Invalid(Problem("--claim", fact, "for example ml-serving/models"))


def manifests(made: Volume, claim: str) -> Iterator[dict[str, Any]]:
    """Yield a PersistentVolume of a restored volume, and a claim that is bound to it.

    Source: documentation of the EBS CSI driver, "Static Provisioning"; Kubernetes documentation, "Reserving a
    PersistentVolume". The volume is kept if the claim is deleted.

    Args:
        made: The volume.
        claim: Namespace and name of the claim: "ml-serving/models".

    Raises:
        Invalid: The claim is not a namespace and a name.
    """
    check_claim(claim)
    namespace, _, name = claim.partition("/")
    capacity = {"storage": f"{made.gib}Gi"}
    zones = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [made.zone]}
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"restored-{made.id}", "labels": {BACKUP_KEY: ENABLED}},
        "spec": {
            "capacity": capacity,
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": name},
            "csi": {"driver": CSI, "volumeHandle": made.id},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [zones]}]}},
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": {BACKUP_KEY: ENABLED}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "volumeName": f"restored-{made.id}",
            "resources": {"requests": capacity},
        },
    }
