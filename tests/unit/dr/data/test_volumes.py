"""Volumes that backup plans select, and what is wrong with a restored one: a good volume, broken in one field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dr.data.restored import Volume, volume_faults
from dr.data.volumes import Coverage, coverage_of

TAGGED = [{"Key": "backup", "Value": "enabled"}]
CSI = [{"Key": "ebs.csi.aws.com/cluster", "Value": "true"}]


def volume(**changes: Any) -> dict[str, Any]:
    of = {"VolumeId": "vol-1", "State": "in-use", "AvailabilityZone": "us-west-2a", "Size": 20, "Encrypted": True}
    return {**of, "Attachments": [{"Device": "/dev/xvdb"}], "Tags": [*TAGGED, *CSI], **changes}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, Coverage(1)),
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


GOOD = Volume("vol-2", "available", "us-west-2a", 20, True, "snap-1", {"backup": "enabled"})


@pytest.mark.parametrize(
    ("made", "fault"),
    [
        (GOOD, ""),
        (replace(GOOD, state="creating"), "its state is creating, not available"),
        (replace(GOOD, snapshot="snap-2"), "it was created from snap-2, not snap-1"),
        (replace(GOOD, encrypted=False), "it is not encrypted"),
        (replace(GOOD, gib=10), "it has 10 GiB, and the backup 20 GiB"),
        (replace(GOOD, tags={}), "its tag backup is None, not 'enabled'"),
    ],
)
def test_a_restored_volume_is_compared_with_its_recovery_point(made: Volume, fault: str) -> None:
    assert volume_faults(made, "snap-1", 20 << 30, {"backup": "enabled"}) == ([fault] if fault else [])
