"""What RDS says of a global database: one answer, of which each test changes one field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dr.data.global_database import newest, parse_global

EAST = "arn:aws:rds:us-east-1:123456789012:cluster:ml-dr-primary"
WEST = "arn:aws:rds:us-west-2:123456789012:cluster:ml-dr-recovery"


def answer(**changes: Any) -> dict[str, Any]:
    """Return an element of an answer of DescribeGlobalClusters."""
    return {
        "GlobalClusterIdentifier": "ml-dr",
        "Status": "available",
        "EngineVersion": "16.8",
        "GlobalClusterMembers": [
            {"DBClusterArn": EAST, "IsWriter": True, "SynchronizationStatus": "connected"},
            {"DBClusterArn": WEST, "IsWriter": False, "SynchronizationStatus": "connected"},
        ],
        **changes,
    }


def snapshot(name: str, hour: int, **changes: Any) -> dict[str, Any]:
    """Return an element of an answer of DescribeDBClusterSnapshots."""
    created = datetime(2026, 11, 29, hour, tzinfo=UTC)
    about = {"DBClusterSnapshotIdentifier": name, "SnapshotCreateTime": created, "Status": "available"}
    return {**about, "DBClusterIdentifier": "ml-dr-primary", **changes}


def test_primary_cluster_writes_and_the_other_one_is_synchronized() -> None:
    found = parse_global(answer())
    member = found.member(WEST)

    assert (found.writer, found.writes(EAST), found.writes(WEST)) == ("ml-dr-primary", True, False)
    assert member
    assert (member.region, member.synchronized) == ("us-west-2", True)


def test_cluster_writes_only_when_no_change_is_in_process() -> None:
    change = {"Status": "switching-over", "FromDbClusterArn": EAST, "ToDbClusterArn": WEST}
    found = parse_global(answer(FailoverState=change))

    assert not found.writes(EAST)
    assert (found.target, found.writer) == (WEST, "ml-dr-primary, switching-over")


def test_cluster_that_waits_for_synchronization_is_not_synchronized() -> None:
    members = [{"DBClusterArn": WEST, "IsWriter": False, "SynchronizationStatus": "pending-resync"}]
    found = parse_global(answer(GlobalClusterMembers=members)).member(WEST)

    assert found
    assert not found.synchronized


def test_cluster_that_was_detached_is_no_member() -> None:
    found = parse_global(answer(GlobalClusterMembers=[]))

    assert (found.member(EAST), found.primary, found.writer) == (None, None, "none")


def test_newest_complete_snapshot_of_the_cluster_counts() -> None:
    found = newest(
        [
            snapshot("first", 1),
            snapshot("second", 2),
            snapshot("incomplete", 3, Status="copying"),
            snapshot("other", 4, DBClusterIdentifier="other"),
        ],
        "ml-dr-primary",
    )

    assert found
    assert (found.identifier, found.created.hour) == ("second", 2)
    assert newest([], "ml-dr-primary") is None
