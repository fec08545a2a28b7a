"""The result of a drill of isolation: one run that met everything, and each test breaks one thing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dr.control.incident_state import IncidentState, Levers
from dr.drills import document, isolation_result
from dr.drills.document import DrillDocument, Verdict, parse
from dr.evidence import folder
from dr.operations.fingerprint import Fingerprint
from tests.support.isolation import HOST, ended, pod, seen

MARKS = Fingerprint({"code": "c", "configuration": "d", "tier": "pilot", "model_set": "m"})
NAMES = ("isolation", "images", "models", "answers", "traffic", "operation")


def result(**changes: Any) -> tuple[DrillDocument, dict[str, Verdict]]:
    found = isolation_result.document(seen(**changes), MARKS, datetime(2026, 11, 29, 12, 4, tzinfo=UTC))
    return found, {each.name: each.verdict for each in found.judgements}


def test_replica_that_answers_with_its_own_region_alone_meets_every_objective() -> None:
    found, verdicts = result()

    assert (found.verdict, verdicts) == (Verdict.MET, dict.fromkeys(NAMES, Verdict.MET))
    assert (found.requests.sent, found.requests.failed, found.requests.wrong) == (6, 0, 0)
    assert (found.rto_seconds, found.rpo_seconds, found.objectives) == (None, None, None)
    assert (found.modelled, found.measured) == ((), ("requests", "steps"))
    assert parse(found.to_json(), "test") == found


def test_steps_have_the_times_of_the_pods_status() -> None:
    found, _ = result()

    durations = {
        each.name: datetime.fromisoformat(str(each.ended)) - datetime.fromisoformat(str(each.started))
        for each in found.steps
    }
    assert {name: each.total_seconds() for name, each in durations.items()} == {
        "node": 80,
        "images": 20,
        "isolation": 3,
        "models": 36,
        "answers": 30,
    }


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "says"),
    [
        (
            {"pod": pod(ended("isolated", 1, 9, 1, "reached s3.us-east-1.amazonaws.com\n"))},
            "isolation",
            Verdict.MISSED,
            "reached s3.us-east-1.amazonaws.com",
        ),
        ({"pod": None}, "isolation", Verdict.UNKNOWN, "the pod was not created"),
        ({"images": {"server": "docker.io/seldonio/mlserver:1.7.1"}}, "images", Verdict.MISSED, "1 of 1 come from"),
        (
            {"images": {"server": f"{HOST}/a:1", "proxy": HOST.replace("west-2", "east-1") + "/a:1"}},
            "images",
            Verdict.MISSED,
            "1 of 2 come from elsewhere, first proxy: 123456789012.dkr.ecr.us-east-1",
        ),
        (
            {"images": {"server": f"{HOST}.example.com/a:1"}},
            "images",
            Verdict.MISSED,
            "1 of 1",
        ),
        ({"images": {}}, "images", Verdict.UNKNOWN, "was not read"),
        (
            {
                "pod": pod(
                    ended("fetch-models", 104, 110, 4, "starts\ns3://b: us-west-2 does not answer\n    -> fix it\n")
                )
            },
            "models",
            Verdict.MISSED,
            "s3://b: us-west-2 does not answer",
        ),
        (
            {"pod": pod(ended("ask", 1, 2, 1, '{"sent": 6, "failed": 1, "wrong": 2, "fact": "answered 500"}'))},
            "answers",
            Verdict.MISSED,
            "3 of 6 are right: answered 500",
        ),
        (
            {"pod": pod(ended("ask", 1, 2, 1, "the model digits is not ready"))},
            "answers",
            Verdict.MISSED,
            "the model digits is not ready",
        ),
        (
            {"pod": pod({"name": "ask", "state": {"waiting": {"reason": "PodInitializing"}}}), "waits_for": "no GPU"},
            "answers",
            Verdict.UNKNOWN,
            "container ask did not end: no GPU",
        ),
        ({"after": IncidentState(levers=Levers(engaged=True))}, "traffic", Verdict.MISSED, "changed"),
        ({"after": None}, "traffic", Verdict.UNKNOWN, "was not read"),
        ({"removed": False}, "operation", Verdict.MISSED, "dr drill stop"),
        ({"problems": ["us-west-2 does not answer\nmore"]}, "operation", Verdict.MISSED, "us-west-2 does not answer"),
    ],
)
def test_one_broken_thing_turns_its_condition(changes: dict[str, Any], name: str, verdict: Verdict, says: str) -> None:
    found, verdicts = result(**changes)
    judgement = next(each for each in found.judgements if each.name == name)

    assert (verdicts[name], says in judgement.measured or says in judgement.objective) == (verdict, True), judgement
    assert found.verdict is not Verdict.MET
    if changes.get("pod", True):
        assert {each for each in verdicts if verdicts[each] is not Verdict.MET} == {name}


def test_steps_that_did_not_end_are_failed_with_what_was_waited_for() -> None:
    stuck = pod(ended("isolated", 100, 103), {"name": "ask", "state": {"waiting": {"reason": "PodInitializing"}}})
    found, _ = result(pod=stuck, waits_for="container server: ContainerCreating")

    assert {each.name: (each.outcome, each.evidence) for each in found.steps}["answers"] == (
        "failed",
        "container server: ContainerCreating",
    )


def test_times_of_an_emulators_pods_are_called_modelled() -> None:
    found, _ = result(modelled=True)

    assert (found.modelled, found.measured) == (("steps",), ("requests",))


def test_report_shows_conditions_and_steps_and_no_recovery(tmp_path: Path) -> None:
    found, _ = result(images={"server": "docker.io/seldonio/mlserver:1.7.1"})
    folder.write(tmp_path, document.FILE, found.to_json())
    page = folder.write_report(tmp_path).read_text()

    assert "Find a GPU" in page
    assert "dr supply sync" in page
    assert "us-west-2" in page
    for section in ("Lost writes", "Where the time went", "Clients and steps", "Alarms before", "RTO"):
        assert f"<h2>{section}" not in page
