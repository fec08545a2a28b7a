"""What runs in each zone of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from dr.drills import zones
from dr.drills.zones import Spread

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
DEAD = {"conditions": [{"type": "Ready", "status": "Unknown"}]}


def node(zone: str, status: dict[str, Any] = READY) -> dict[str, Any]:
    return {"metadata": {"name": f"node-{zone}", "labels": {zones.ZONE: zone}}, "status": status}


def pod(zone: str, status: dict[str, Any] = READY, **about: str) -> dict[str, Any]:
    where = {"nodeName": f"node-{zone}"} if zone else {}
    return {"metadata": about, "spec": where, "status": status}


def test_ready_replicas_and_nodes_are_counted_by_zone() -> None:
    found = zones.spread(3, [pod("a"), pod("b"), pod("b")], [node("a"), node("b")])

    assert found == Spread(3, 0, {"a": 1, "b": 2}, {"a": 1, "b": 1})
    assert (found.complete, found.fullest) == (True, "b")
    assert str(found) == "3 of 3 replicas ready (1 in a, 2 in b)"


@pytest.mark.parametrize(
    ("pods", "ready", "waiting"),
    [
        ([pod("a"), pod("b", DEAD)], 1, 0),
        ([pod("a"), pod("")], 1, 1),
        ([pod("a"), pod("b", deletionTimestamp="2026-11-29T12:00:00Z")], 1, 0),
    ],
)
def test_replica_that_is_not_ready_or_waits_or_ends_is_lacking(
    pods: list[dict[str, Any]], ready: int, waiting: int
) -> None:
    found = zones.spread(2, pods, [node("a"), node("b")])

    assert (found.ready, found.waiting, found.complete) == (ready, waiting, False)


def test_dead_node_is_not_counted() -> None:
    assert zones.spread(1, [pod("a")], [node("a"), node("b", DEAD)]).nodes == {"a": 1}


def test_first_of_the_fullest_zones_is_lost_and_none_without_replicas() -> None:
    assert Spread(4, 0, {"b": 2, "a": 2}, {}).fullest == "a"
    assert Spread(4, 0, {}, {}).fullest == ""
