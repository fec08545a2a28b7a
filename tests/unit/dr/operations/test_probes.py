"""Judgement of replicas, nodes, bucket pairs and model sets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.clients import Unreachable
from dr.control.contract import BucketRecord
from dr.data.model_sets import Entry, Manifest
from dr.errors import Problem
from dr.findings import Finding, Status
from dr.operations.probes import Replication, Running, newest_set, replica, running_findings

WEST = "us-west-2"
WARM = Running(ready=3, wanted=3, floor=3, nodes=3, ready_nodes=3)


def test_ready_replicas_and_nodes_are_met() -> None:
    replicas, nodes = running_findings(WEST, WARM, per_node=1)

    assert (replicas.status, replicas.measured, replicas.objective) == (Status.MET, "3 ready of 3 wanted", "at least 3")
    assert (nodes.status, nodes.measured, nodes.objective) == (Status.MET, "3 ready of 3 wanted", "at least 3")


def test_fewer_ready_replicas_than_the_floor_are_missed() -> None:
    replicas, _ = running_findings(WEST, replace(WARM, ready=2), per_node=1)

    assert (replicas.status, replicas.measured) == (Status.MISSED, "2 ready of 3 wanted")
    assert replicas.hint == "`dr rollout` shows what blocks inference in us-west-2"


def test_scaled_region_needs_its_floor_of_replicas_and_the_nodes_of_all() -> None:
    replicas, nodes = running_findings(WEST, Running(4, 10, 3, nodes=4, ready_nodes=4), per_node=2)

    assert (replicas.status, replicas.measured) == (Status.MET, "4 ready of 10 wanted")
    assert (nodes.status, nodes.measured) == (Status.MISSED, "4 ready of 5 wanted")


def test_tier_without_replicas_is_information() -> None:
    found = running_findings(WEST, Running(0, 0, 0, 0, 0), per_node=1)

    assert [each.status for each in found] == [Status.INFO, Status.INFO]


BUCKETS = BucketRecord("east", "west")
WHOLE = Replication(forth=True, back=True, arrived=True)


def of_pair(**changes: Any) -> Finding:
    return replica("models", BUCKETS, replace(WHOLE, **changes))


def test_pair_with_rules_both_ways_and_objects_is_met() -> None:
    assert of_pair().status is Status.MET


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        ({"forth": False}, "no enabled rule east -> west"),
        ({"back": False}, "no enabled rule west -> east"),
        ({"arrived": False, "source": True}, "empty; the primary region's bucket holds objects"),
        ({"arrived": False, "forth": None}, "empty; the primary region's bucket is not read"),
    ],
)
def test_pair_without_a_rule_or_a_replicated_object_is_missed(changes: dict[str, bool], measured: str) -> None:
    found = of_pair(**changes)

    assert (found.status, found.measured) == (Status.MISSED, measured)


def test_pair_is_met_without_the_primary_region_and_says_what_is_not_read() -> None:
    found = of_pair(forth=None)

    assert (found.status, found.measured) == (Status.MET, "holds objects; only the rule back is read")


def test_pair_of_two_empty_buckets_is_information() -> None:
    assert of_pair(arrived=False, source=False).status is Status.INFO


NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def manifest(set_id: str, age: timedelta) -> Manifest:
    created = (NOW - age).isoformat(timespec="seconds")
    return Manifest("digits", set_id, created, "d", (Entry("model", "models", f"{set_id}/model", "v", 1, "h"),))


OLD, NEW = manifest("1", timedelta(hours=2)), manifest("2", timedelta(minutes=20))
RPO = timedelta(minutes=15)


def of_set(*here: Manifest, broken: tuple[Manifest, ...] = (), original: Manifest | None = NEW) -> Finding:
    """Judge a set of which the recovery region has manifests, newest first, and the primary region another newest."""
    return newest_set(
        "digits", WEST, RPO, here, lambda each: each.entries if each in broken else (), lambda: original, NOW
    )


def test_newest_set_that_is_whole_is_met_with_its_age() -> None:
    assert (of_set(NEW, OLD).status, of_set(NEW, OLD).measured) == (Status.MET, "2 is whole, 20 min old")


def test_incomplete_set_is_missed_with_the_whole_one_before_it() -> None:
    found = of_set(NEW, OLD, broken=(NEW,))

    assert found.status is Status.MISSED
    assert found.measured == "2 lacks 1 objects, first 2/model; 1 before it is whole"


def test_set_that_did_not_arrive_within_the_rpo_is_missed() -> None:
    assert of_set(OLD).status is Status.MISSED
    assert of_set(OLD, original=manifest("2", timedelta(minutes=10))).status is Status.MET


def test_region_without_a_set_is_missed() -> None:
    assert (of_set().status, of_set().measured) == (Status.MISSED, "none in us-west-2")


def test_whole_set_is_met_without_the_primary_region_and_says_what_is_not_read() -> None:
    def lost() -> Manifest:
        raise Unreachable(Problem("a set", "us-east-1 does not answer", "wait"))

    found = newest_set("digits", WEST, RPO, [NEW], lambda _: (), lost, NOW)

    assert found.status is Status.MET
    assert found.measured == "2 is whole, 20 min old; the primary region's newest is not read"
