from dataclasses import replace

import pytest

from dr.data.global_database import Cluster
from dr.data.restored_cluster import describe, faults

GOOD = Cluster("restored", "available", "17.7", {}, key="arn:aws:kms:us-west-2:123456789012:key/1")


def test_a_cluster_that_is_available_and_encrypted_has_no_fault() -> None:
    assert faults(GOOD) == faults(GOOD, "17.7") == []
    assert describe(GOOD) == "Aurora PostgreSQL 17.7, encrypted, available; its rows were not read"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"status": "creating"}, "its status is creating, not available"),
        ({"key": ""}, "it is not encrypted"),
        ({"engine_version": "16.8"}, "its engine is 16.8, not 17.7"),
        ({"engine_version": ""}, "its engine is unknown, not 17.7"),
    ],
)
def test_each_fault_of_a_cluster_is_named(changes: dict[str, str], fault: str) -> None:
    assert faults(replace(GOOD, **changes), "17.7") == [fault]  # type: ignore[arg-type]


def test_a_cluster_that_does_not_exist_is_a_fault() -> None:
    assert faults(None) == ["it does not exist"]
