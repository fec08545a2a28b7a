"""The commands `dr report` and `dr incidents`, against a journal in the recovery region."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner, Result

from dr.cli.evidence_report import report_text
from dr.cli.layout import show
from dr.cli.main import app
from dr.clients import IN_SANDBOX, Unreachable
from dr.control import incident_state
from dr.control.incident_state import Incident, IncidentState, Lease
from dr.control.journal import Entry
from dr.control.shared_journal import PREFIX, SharedJournal
from dr.errors import Exit, Problem
from dr.evidence import folder
from dr.evidence.page import page_of
from dr.evidence.reading import read
from tests.support.buckets import make_bucket
from tests.support.evidence import BY, REASON, RUN, at, journal, write_example

ROOT = Path(__file__).parents[4]
CONTROL = "ml-dr-123456789012-us-west-2-control"
OLDER, NEWER = "20261101T080000Z-aaaaaa", "20261201T080000Z-bbbbbb"


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep evidence in the test's own folder."""
    monkeypatch.delenv(IN_SANDBOX, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", "us-west-2")
        make_bucket(client, CONTROL)
        yield client


def record(s3: Any, run: str, entries: Sequence[Entry]) -> None:
    for number, each in enumerate(entries):
        body = replace(each, run=run).to_json().encode()
        s3.put_object(Bucket=CONTROL, Key=f"{PREFIX}{run}/{number:06}.json", Body=body)


def put_state(s3: Any, state: IncidentState) -> None:
    s3.put_object(Bucket=CONTROL, Key=incident_state.KEY, Body=state.to_json())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(ROOT)], env={"COLUMNS": "80"})


def listed(s3: Any) -> list[dict[str, Any]]:
    found = run("incidents", "--json")
    assert found.exit_code == Exit.OK, found.output
    return list(json.loads(found.stdout))


FAILED = (*journal()[:8], Entry(at(30), RUN, "step.failed", "nodes", {"error": "no capacity"}))


# dr incidents ------------------------------------------------------------------------------------------------------


def test_incidents_are_listed_newest_first_with_reason_author_and_result(s3: Any) -> None:
    record(s3, OLDER, journal())
    record(s3, RUN, FAILED)
    found = listed(s3)

    assert [(each["run"], each["result"], each["open"]) for each in found] == [
        (RUN, "failed", False),
        (OLDER, "done", False),
    ]
    assert {(each["operation"], each["reason"], each["by"]) for each in found} == {("failover", REASON, BY)}
    assert found[1]["opened"] == "2026-11-28T12:05:58.100+00:00"
    assert found[1]["seconds"] == pytest.approx(48.8)


def test_run_that_opened_the_incident_is_marked(s3: Any) -> None:
    record(s3, OLDER, journal())
    record(s3, RUN, journal())
    put_state(s3, IncidentState(incident=Incident(RUN, "2026-11-28T12:05:58+00:00", REASON)))
    text = run("incidents").stdout

    assert [each["open"] for each in listed(s3)] == [True, False]
    assert f"*  {RUN}" in text
    assert "* Its incident is open; `dr failback` closes it." in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(("valid", "result"), [(True, "running"), (False, "interrupted")])
def test_unfinished_run_is_running_only_while_its_lease_is_held(s3: Any, valid: bool, result: str) -> None:
    record(s3, RUN, journal()[:8])
    expires = datetime.now(UTC) + timedelta(hours=1 if valid else -1)
    put_state(s3, IncidentState(lease=Lease(BY, expires.isoformat(), 1, RUN)))

    assert [each["result"] for each in listed(s3)] == [result]


def test_lease_of_another_run_does_not_make_a_run_look_running(s3: Any) -> None:
    record(s3, RUN, journal()[:8])
    put_state(s3, IncidentState(lease=Lease(BY, (datetime.now(UTC) + timedelta(hours=1)).isoformat(), 1, NEWER)))

    assert [each["result"] for each in listed(s3)] == ["interrupted"]


def test_step_that_stopped_after_a_failure_does_not_hide_it(s3: Any) -> None:
    record(s3, RUN, [*FAILED, Entry(at(31), RUN, "step.stopped", "replicas", {"detail": "2 of 3"})])

    assert [each["result"] for each in listed(s3)] == ["failed"]


def test_run_with_an_accepted_guard_keeps_its_operation(s3: Any) -> None:
    accepted = {"operation": "failover", "by": BY, "reason": REASON, "guard": "model-set", "fact": "no set"}
    record(s3, RUN, [Entry(at(18), RUN, "guard.accepted", data=accepted), *journal()])

    assert [(each["operation"], each["reason"], each["by"]) for each in listed(s3)] == [("failover", REASON, BY)]


def test_limit_reads_the_newest_runs_only(s3: Any) -> None:
    for name in (OLDER, RUN, NEWER):
        record(s3, name, journal())
    found = run("incidents", "--limit", "2", "--json")

    assert [each["run"] for each in json.loads(found.stdout)] == [NEWER, RUN]


def test_without_a_run_the_list_is_empty(s3: Any) -> None:
    assert run("incidents").stdout == "No run: nothing was ever operated.\n"
    assert listed(s3) == []


# dr report ---------------------------------------------------------------------------------------------------------


def test_report_of_a_run_of_another_machine_is_made_from_the_journal(s3: Any, own_state: Path) -> None:
    record(s3, RUN, journal())
    found = run("report", RUN)
    place = own_state / "ml-dr" / "evidence" / RUN

    assert found.exit_code == Exit.OK, found.output
    assert found.stdout.splitlines()[-1] == f"Report: {place / 'report.html'}"
    assert sorted(each.name for each in place.iterdir()) == ["journal.jsonl", "report.html"]
    assert (place / "journal.jsonl").read_text() == "".join(f"{each.to_json()}\n" for each in journal())


def test_report_without_a_run_is_that_of_the_newest(s3: Any) -> None:
    for name in (OLDER, NEWER):
        record(s3, name, journal())

    assert json.loads(run("report", "--json").stdout)["run"] == NEWER


@pytest.mark.parametrize(
    ("other", "newest"), [("20261128T120640Z-cccccc", RUN), ("20261128T120800Z-cccccc", "20261128T120800Z-cccccc")]
)
def test_operation_that_a_drill_ran_is_not_newer_than_the_drill(s3: Any, other: str, newest: str) -> None:
    write_example(folder.root())
    record(s3, other, journal())

    assert json.loads(run("report", "--json").stdout)["run"] == newest


def test_report_has_the_entries_that_were_written_since_the_last_one(s3: Any) -> None:
    record(s3, RUN, FAILED)
    assert json.loads(run("report", "--json").stdout)["result"] == "failed"
    record(s3, RUN, journal())

    assert json.loads(run("report", "--json").stdout)["result"] == "done"


def test_journal_of_a_drill_is_left_as_the_drill_wrote_it(s3: Any) -> None:
    place = write_example(folder.root())
    record(s3, RUN, FAILED)
    found = json.loads(run("report", RUN, "--json").stdout)

    assert (found["kind"], found["verdict"], found["result"]) == ("drill", "met", "done")
    assert len((place / "journal.jsonl").read_text().splitlines()) == len(journal())


@pytest.mark.parametrize(
    ("known", "remedy"), [(True, f"the newest are {OLDER}"), (False, "`dr failover` shows a plan")]
)
def test_report_of_an_unknown_run_is_refused_with_the_newest(s3: Any, known: bool, remedy: str) -> None:
    if known:
        record(s3, OLDER, journal())
    found = run("report", "20990101T000000Z-ffffff")

    assert found.exit_code == Exit.REFUSED
    assert "have no run 20990101T000000Z-ffffff" in found.stderr
    assert f"-> {remedy}" in found.stderr


def test_path_in_place_of_a_run_is_refused(s3: Any, own_state: Path) -> None:
    found = run("report", "../../elsewhere")

    assert found.exit_code == Exit.REFUSED
    assert not (own_state / "elsewhere").exists()


def test_evidence_of_this_machine_is_enough_while_the_region_does_not_answer(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(journal: SharedJournal) -> list[str]:
        raise Unreachable(Problem("journal", "us-west-2 does not answer", "check the region"))

    write_example(folder.root())
    monkeypatch.setattr(SharedJournal, "runs", silent)

    assert run("report").exit_code == Exit.OK
    other = run("report", OLDER)
    assert other.exit_code == Exit.FAILED
    assert "us-west-2 does not answer" in other.stderr


def shown(place: Path, width: int = 80) -> str:
    console = Console(width=width, record=True, no_color=True, file=None)
    with console.capture() as captured:
        show(report_text(page_of(read(place)), place / "report.html"), console)
    return captured.get()


def test_terminal_shows_the_steps_as_a_timeline_in_80_columns(tmp_path: Path) -> None:
    text = shown(write_example(tmp_path))
    bars = [line for line in text.splitlines() if "━" in line]

    assert [line.split()[0] for line in bars] == [each for each in TIMELINE]
    assert [line.index("━") for line in bars] == sorted(line.index("━") for line in bars)
    assert bars[4].rstrip().endswith("18.5 s done")
    assert max(len(line) for line in text.splitlines() if not line.startswith("Report: ")) <= 80
    assert "RTO     met      1 min 2 s  20 min     measured, error at most 0.2 s" in text


TIMELINE = (
    *("open-incident", "engage", "choose-set", "activate", "nodes"),
    *("replicas", "workers", "validate", "admit", "confirm-dns", "hand-over"),
)


def test_terminal_shows_what_to_do_next(tmp_path: Path) -> None:
    place = write_example(tmp_path)
    facts = {"by": BY, "reason": "I looked myself", "without": "answers may be wrong"}
    folder.write_journal(place, journal(validate=[Entry(at(45), RUN, "step.skipped", "validate", facts)]))
    text = " ".join(shown(place).split())

    assert (
        "What to do next: validate: skipped (Validate inference in the recovery region): answers may be wrong" in text
    )
    assert "-> do it by hand, or confirm that it is not needed" in text


def test_json_has_the_values_of_the_page(s3: Any) -> None:
    record(s3, RUN, journal())
    found = json.loads(run("report", RUN, "--json").stdout)

    assert [each["name"] for each in found["steps"]] == list(TIMELINE)
    assert found["steps"][4]["seconds"] == pytest.approx(18.5)
    assert found["entries"][0]["event"] == "run.started"
    assert found["started"] == "2026-11-28T12:05:58.100+00:00"
