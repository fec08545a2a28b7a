"""What is wrong with a restored volume: a good one, broken in one field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dr.data.restored import Volume, volume_faults

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
