"""The result of a drill of corrupted data: one run that met everything, and each test breaks one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.drills import corruption_result
from dr.drills.corruption_result import Regions, Seen
from dr.drills.document import DrillDocument, Verdict, parse
from dr.operations.fingerprint import Fingerprint
from dr.topology.tiers import Tier

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MARKS = Fingerprint({"code": "c", "configuration": "d", "tier": "pilot", "model_set": "m"})
NAMES = ("effect", "restored", "rto", "rpo", "versions", "operation")


def seen(**changes: Any) -> Seen:
    """Return what a drill has seen: ten objects of before, two written last, of which one was lost."""
    made = Seen("run", Tier.PILOT, "us-east-1", "us-west-2", "control", NOON)
    made.acknowledged = {f"drill/run/{each:06}": NOON + timedelta(seconds=4 + each) for each in range(2)}
    made.good = {f"drill/run/data/{each:04}": "hash" for each in range(10)} | dict.fromkeys(made.acknowledged, "hash")
    made.versions, made.kept = 12, 29
    made.fault_at, made.damaged = NOON + timedelta(seconds=5.5), Regions(0, 0)
    made.as_of, made.restore_seconds = NOON + timedelta(seconds=4), 3.0
    made.lost, made.equal = ["drill/run/000001"], Regions(11, 11)
    made.compared_at = made.fault_at + timedelta(seconds=20)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def result(**changes: Any) -> tuple[DrillDocument, dict[str, Verdict]]:
    found = corruption_result.document(seen(**changes), MARKS, NOON + timedelta(minutes=1))
    return found, {each.name: each.verdict for each in found.judgements}


def test_restored_objects_meet_every_objective_and_lost_writes_are_listed() -> None:
    found, verdicts = result()

    assert (found.verdict, verdicts) == (Verdict.MET, dict.fromkeys(NAMES, Verdict.MET))
    assert (found.rto_seconds, found.rpo_seconds) == (20.0, 0.5)
    assert [(each.name, each.age_seconds) for each in found.lost_writes] == [("s3://control/drill/run/000001", 0.5)]
    assert (found.phases["data"], found.phases["verify"]) == (3.0, 17.0)
    assert sum(found.phases.values()) == found.rto_seconds
    assert parse(found.to_json(), "test") == found


def test_without_a_lost_write_the_recovery_point_is_zero() -> None:
    found, verdicts = result(lost=[], equal=Regions(12, 12))

    assert (found.rpo_seconds, found.lost_writes, verdicts["rpo"]) == (0.0, (), Verdict.MET)


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "says"),
    [
        (
            {"damaged": Regions(0, 3)},
            "effect",
            Verdict.MISSED,
            "of 12 objects, 0 in us-east-1, 3 in us-west-2 are good",
        ),
        ({"damaged": None}, "effect", Verdict.MISSED, "before the damage was in both regions"),
        ({"equal": Regions(11, 9)}, "restored", Verdict.MISSED, "11 of 12 in us-east-1, 9 in us-west-2"),
        (
            {"lost": ["drill/run/000001", "drill/run/data/0003"], "equal": Regions(10, 10)},
            "restored",
            Verdict.MISSED,
            "10 of 12",
        ),
        ({"kept": 12}, "versions", Verdict.MISSED, "12 before the damage, 12 after"),
        ({"kept": None}, "versions", Verdict.UNKNOWN, "not counted"),
        ({"compared_at": NOON + timedelta(hours=1)}, "rto", Verdict.MISSED, "3594.5 s"),
        ({"compared_at": None}, "rto", Verdict.MISSED, "were not compared"),
        ({"problems": ["us-east-1 does not answer\nmore"]}, "operation", Verdict.MISSED, "does not answer"),
    ],
)
def test_one_broken_thing_turns_its_condition(changes: dict[str, Any], name: str, verdict: Verdict, says: str) -> None:
    found, verdicts = result(**changes)
    judgement = next(each for each in found.judgements if each.name == name)

    assert (verdicts[name], says in judgement.measured) == (verdict, True), judgement
    assert found.verdict is not Verdict.MET


def test_older_lost_write_misses_the_recovery_point() -> None:
    found, verdicts = result(acknowledged={"drill/run/000001": NOON}, lost=["drill/run/000001"], equal=Regions(11, 11))

    assert (found.rpo_seconds, verdicts["rpo"]) == (5.5, Verdict.MISSED)


def test_drill_without_a_restore_is_missed_and_its_recovery_point_unknown() -> None:
    found, verdicts = result(equal=None, restore_seconds=None, compared_at=None)

    assert (verdicts["restored"], verdicts["rpo"], found.rto_seconds) == (Verdict.MISSED, Verdict.UNKNOWN, None)
