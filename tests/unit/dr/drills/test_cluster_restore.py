"""Cluster objects in the drill of restores, in a cluster that has no backup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dr.clusters import velero
from dr.drills import cluster_restore
from dr.drills.backup_restore_result import ClassSeen, judge
from dr.drills.cluster_restore import ClusterRestore
from dr.topology.tiers import Tier
from dr.topology.writers import LOCATION
from tests.support.builders import topology

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Cluster:
    """The API of a cluster with Velero, the namespace of which has an age."""

    now = NOW

    def __init__(self, hours: float, *phases: str) -> None:
        self._created, self._phases = NOW - timedelta(hours=hours), phases

    def allows(self, *permission: str) -> bool:
        return True

    def get(self, path: str, **query: str) -> dict[str, Any]:
        backups = [{"metadata": {"name": "ml-backup-daily-1"}, "status": {"phase": each}} for each in self._phases]
        answers: dict[str, dict[str, Any]] = {
            velero.BACKUPS: {"items": backups},
            LOCATION.path: {"status": {"phase": "Available"}},
            "/api/v1/namespaces/velero": {"metadata": {"creationTimestamp": self._created.isoformat()}},
        }
        return answers[path]


def drilled(cluster: Cluster) -> ClassSeen:
    found = cluster_restore.seen()
    recovery = SimpleNamespace(cluster=True)
    scene: Any = SimpleNamespace(
        tier=Tier.PILOT, region="us-west-2", recovery=recovery, topology=topology(), cluster=cluster
    )
    ClusterRestore(scene, found, NOW, lambda line: None).execute()
    return found


@pytest.mark.parametrize(("hours", "verdict"), [(1, "unknown"), (26, "unknown"), (26.1, "missed"), (80, "missed")])
def test_without_a_backup_the_class_is_unknown_until_the_first_one_is_late_and_then_missed(
    hours: float, verdict: str
) -> None:
    found = drilled(Cluster(hours))
    (judged,) = judge(found)

    assert (str(judged.verdict), found.restored) == (verdict, None)
    assert "us-west-2 has no completed backup of ml-backup-daily" in judged.measured
    assert ("the first one is made at 02:00 UTC" in judged.measured) is (verdict == "unknown")


def test_backup_that_failed_is_missed_at_once() -> None:
    (judged,) = judge(drilled(Cluster(1, "Failed")))

    assert str(judged.verdict) == "missed"
    assert judged.measured.endswith("its backup location is Available; ml-backup-daily-1 is Failed")
