"""The evidence folder that an operation leaves, also when a step failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from dr.clients import IN_SANDBOX, Unreachable
from dr.control import shared_journal
from dr.errors import DrError, Failed, Problem, Refused
from dr.evidence import folder, recording
from dr.evidence.page import page_of
from dr.evidence.reading import read
from dr.evidence.recording import Recording
from dr.operations import fingerprint
from dr.operations.fingerprint import Fingerprint
from dr.operations.scene import Scene
from tests.support.buckets import make_bucket
from tests.support.builders import topology
from tests.support.evidence import ALARMS, REASON, RUN, alarm

AFTER = (*ALARMS[:-1], alarm("endpoint-down", "ALARM", 5))
PARTS = {"code": "c", "configuration": "k", "tier": "warm", "model_set": "set-1"}


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Scene]:
    """The recovery region, whose alarms change during the operation."""
    monkeypatch.delenv(IN_SANDBOX, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    answers = iter([ALARMS, AFTER])
    monkeypatch.setattr(recording, "read_alarms", lambda region, workload: SimpleNamespace(alarms=next(answers)))
    monkeypatch.setattr(fingerprint, "of", lambda scene: Fingerprint(PARTS))
    with mock_aws():
        found = topology()
        make_bucket(boto3.client("s3", found.recovery.region), shared_journal.of_topology(found).bucket)
        yield cast(Scene, SimpleNamespace(region=found.recovery.region, topology=found))


def run(scene: Scene, *events: str, error: BaseException | None = None) -> Recording:
    """Record an operation that writes entries, and may end with an error."""
    made = Recording(scene, RUN, {"dr": "0.1.0"})
    with suppress(DrError, KeyboardInterrupt), made:
        made._before.result(recording.PATIENCE)
        journal = shared_journal.of_topology(scene.topology)
        for event in events:
            journal.append(RUN, event, "nodes" if event.startswith("step") else "", operation="failover", reason=REASON)
        if error:
            raise error
    return made


def test_finished_operation_leaves_a_report_with_alarms_and_versions(scene: Scene) -> None:
    made = run(scene, "run.started", "run.finished")
    found = page_of(read(folder.of_run(RUN)))

    assert made.page == folder.of_run(RUN) / "report.html"
    assert made.page.exists()
    assert (found.result, found.reason) == ("done", REASON)
    assert found.alarms
    assert (found.alarms[0].before, found.alarms[0].after) == ("OK", "ALARM")
    assert found.versions == {"dr": "0.1.0", **PARTS}
    assert found.fingerprint == Fingerprint(PARTS).value


@pytest.mark.parametrize("error", [Failed(Problem("nodes", "no capacity", "wait")), KeyboardInterrupt()])
def test_failed_or_interrupted_operation_leaves_a_report(scene: Scene, error: BaseException) -> None:
    run(scene, "run.started", "step.started", "step.failed", error=error)

    assert page_of(read(folder.of_run(RUN))).result == "failed"


def test_refused_operation_leaves_no_report(scene: Scene) -> None:
    made = run(scene, "run.started", error=Refused(Problem("lease", "another process operates", "wait")))

    assert (made.page, made.problem) == (None, "")
    assert not folder.of_run(RUN).exists()


def test_operation_without_an_entry_leaves_no_report(scene: Scene) -> None:
    assert run(scene, error=Failed(Problem("lease", "cannot be written", "wait"))).page is None


def test_operation_is_recorded_from_the_disk_while_the_region_does_not_answer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: Any) -> Any:
        raise Unreachable(Problem("us-west-2", "us-west-2 does not answer", "wait"))

    for place, name in ((shared_journal.SharedJournal, "entries"), (recording, "read_alarms")):
        monkeypatch.setattr(place, name, silent)
    monkeypatch.setattr(fingerprint, "of", silent)
    made = Recording(scene, RUN, {"dr": "0.1.0"})
    with made:
        shared_journal.of_topology(scene.topology).append(RUN, "run.started", operation="failover")
    found = page_of(read(folder.of_run(RUN)))

    assert made.page
    assert (found.name, found.alarms, found.versions, found.fingerprint) == ("failover", None, {"dr": "0.1.0"}, "")


@pytest.mark.parametrize("problem", [OSError("disk full"), Failed(Problem("report.html", "disk full", "free space"))])
def test_error_of_the_recording_does_not_hide_the_result(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def full(*_: Any) -> Path:
        raise problem

    monkeypatch.setattr(folder, "write_report", full)
    made = run(scene, "run.started", "run.finished")

    assert (made.page, made.problem) == (None, "disk full")
    with pytest.raises(Failed, match="no capacity"), Recording(scene, RUN, {}):
        raise Failed(Problem("nodes", "no capacity", "wait"))
