"""Volumes that backup plans select: a good volume, broken in one field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.data.volume_coverage import Coverage, Selected, coverage_of

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TAGGED = [{"Key": "backup", "Value": "enabled"}]
CSI = [{"Key": "ebs.csi.aws.com/cluster", "Value": "true"}]


def volume(**changes: Any) -> dict[str, Any]:
    of = {"VolumeId": "vol-1", "State": "in-use", "AvailabilityZone": "us-west-2a", "Size": 20, "Encrypted": True}
    return {**of, "Attachments": [{"Device": "/dev/xvdb"}], "CreateTime": NOW, "Tags": [*TAGGED, *CSI], **changes}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, Coverage(1, selected=(Selected("vol-1", NOW),))),
        ({"Tags": CSI}, Coverage(1, ("vol-1",))),
        ({"Tags": [*CSI, {"Key": "backup", "Value": "Enabled"}]}, Coverage(1, ("vol-1",))),
        ({"Tags": [*CSI, {"Key": "backup", "Value": "replica"}]}, Coverage(1)),
        ({"Tags": [{"Key": "workload", "Value": "ml-dr"}]}, Coverage(1, ("vol-1",))),
        ({"Tags": []}, Coverage(1, (), ("vol-1",))),
        ({"Tags": [], "Attachments": [{"Device": "/dev/xvda"}]}, Coverage(0)),
        ({"Tags": [{"Key": "awsbackup-restore-test", "Value": ""}]}, Coverage(0)),
        ({"Tags": [{"Key": "ml-dr-drill", "Value": "1"}]}, Coverage(0)),
    ],
    ids=["tagged", "csi", "wrong value", "replica", "workload", "others", "root", "restore test", "drill"],
)
def test_a_volume_with_state_needs_the_tag(changes: dict[str, Any], found: Coverage) -> None:
    assert coverage_of([volume(**changes)], "ml-dr") == found


def test_the_oldest_volume_is_one_that_a_plan_selects() -> None:
    old = NOW - timedelta(days=9)
    others = [
        volume(VolumeId="vol-untagged", CreateTime=old, Tags=CSI),
        volume(VolumeId="vol-replica", CreateTime=old, Tags=[{"Key": "backup", "Value": "replica"}]),
        volume(VolumeId="vol-root", CreateTime=old, Attachments=[{"Device": "/dev/xvda"}]),
        volume(VolumeId="vol-new"),
    ]

    found = coverage_of([*others, volume(VolumeId="vol-old", CreateTime=NOW - timedelta(days=2))], "ml-dr")

    assert found.selected[0] == Selected("vol-old", NOW - timedelta(days=2))
