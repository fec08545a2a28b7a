"""EBS volumes of a region: those that hold state, and whether backup plans select them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dr.clients import calls, client
from dr.data import restored
from dr.data.volumes import BACKUP_KEY, DRILL_TAG, ENABLED, REPLICA, TEST_TAG

OF_CLUSTER = "ebs.csi.aws.com/cluster"
"""Tag of every volume that the EBS CSI driver creates."""
ROOT_NAMES = ("/dev/xvda", "/dev/sda1")
"""Device names of root volumes, which hold a node's system and no state."""


@dataclass(frozen=True)
class Selected:
    """A resource that a backup plan selects.

    Args:
        id: ID of a volume, or name of a bucket.
        created: When it was created.
    """

    id: str
    created: datetime


@dataclass(frozen=True)
class Coverage:
    """Volumes of a region that hold state.

    Args:
        total: Number of them.
        lacking: IDs of those of this deployment that no backup plan selects.
        others: IDs of those of others that no backup plan selects.
        selected: Those with the tag `backup=enabled`, the oldest first.
    """

    total: int
    lacking: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    selected: tuple[Selected, ...] = ()


def coverage(region: str, workload: str) -> Coverage:
    """Return which volumes of a region have the tag by which backup plans select them.

    Args:
        region: The region.
        workload: Value of this deployment's tag `workload`.

    Raises:
        Unreachable: The region does not answer.
    """
    with calls("EBS volumes", region):
        pages = client("ec2", region).get_paginator("describe_volumes").paginate()
        return coverage_of([each for page in pages for each in page["Volumes"]], workload)


def coverage_of(found: Sequence[Mapping[str, Any]], workload: str) -> Coverage:
    """Return the same of EC2's descriptions of volumes. Pure.

    A node's system volume, and what a restore test or a drill has restored, hold no state. A volume is of this
    deployment if it has its tag `workload`, or was created by the EBS CSI driver, which tags it (documentation of the
    driver, "Tagging").
    """
    stateful = [restored.volume_of(each) for each in found if _holds_state(each)]
    lacking = [each for each in stateful if each.tags.get(BACKUP_KEY) not in (ENABLED, REPLICA)]
    own = [each.id for each in lacking if each.tags.get("workload") == workload or OF_CLUSTER in each.tags]
    enabled = {each.id for each in stateful if each.tags.get(BACKUP_KEY) == ENABLED}
    selected = [Selected(each["VolumeId"], each["CreateTime"]) for each in found if each["VolumeId"] in enabled]
    return Coverage(
        len(stateful),
        tuple(own),
        tuple(each.id for each in lacking if each.id not in own),
        tuple(sorted(selected, key=lambda each: each.created)),
    )


def _holds_state(volume: Mapping[str, Any]) -> bool:
    tags = {each["Key"] for each in volume.get("Tags", ())}
    roots = any(each.get("Device") in ROOT_NAMES for each in volume.get("Attachments", ()))
    return not roots and TEST_TAG not in tags and DRILL_TAG not in tags
