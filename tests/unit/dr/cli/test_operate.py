"""Options of the commands of an incident, their text and their JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner, Result

from docs.generate.operation_examples import PLANS
from dr.cli.layout import show
from dr.cli.main import app
from dr.cli.operation_report import plan_dict, plan_text, run_dict, run_text
from dr.cli.run_progress import running_line
from dr.control import incident_state
from dr.errors import Exit, Problem, Refused
from dr.operations.step_runner import Decision, Intervention, Outcome
from dr.operations.steps import Expected
from tests.support.buckets import make_bucket

ROOT = Path(__file__).parents[4]
CONTROL = "ml-dr-123456789012-us-west-2-control"
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(ROOT)])


def shown(renderable: Any) -> str:
    console = Console(width=80, record=True, no_color=True, file=None)
    with console.capture() as captured:
        show(renderable, console)
    return captured.get()


@pytest.mark.parametrize("command", ["failover", "switchover", "failback"])
@pytest.mark.parametrize("option", [("--yes",), ("--skip", "validate"), ("--force", "engage")])
def test_act_without_a_reason_is_invalid(command: str, option: tuple[str, ...]) -> None:
    found = run(command, *option)

    assert found.exit_code == Exit.INVALID
    assert "--reason: it is empty" in found.stderr


@pytest.mark.parametrize(
    ("command", "guard"), [("failover", "account"), ("failover", "data-loss"), ("failback", "primary-lost")]
)
def test_guard_that_cannot_be_accepted_is_invalid_with_those_that_can(command: str, guard: str) -> None:
    found = run(command, "--accept", guard)

    assert found.exit_code == Exit.INVALID
    assert f"--accept: {guard} cannot be accepted by {command}" in found.stderr
    assert "-> use " in found.stderr


def test_automation_is_paused_and_resumed_in_the_recovery_region() -> None:
    with mock_aws():
        s3 = boto3.client("s3", "us-west-2")
        make_bucket(s3, CONTROL)
        assert run("pause", "--reason", "maintenance").exit_code == Exit.OK
        text = s3.get_object(Bucket=CONTROL, Key=incident_state.KEY)["Body"].read()
        assert incident_state.parse(text, "test").automation.paused == "maintenance"
        found = run("resume", "--json")

    assert json.loads(found.stdout) == {"armed": True, "paused": ""}


def test_journal_without_a_run_is_refused() -> None:
    with mock_aws():
        make_bucket(boto3.client("s3", "us-west-2"), CONTROL)
        found = run("journal")

    assert found.exit_code == Exit.REFUSED
    assert "has no run: nothing was ever operated" in found.stderr


@pytest.mark.parametrize("name", PLANS)
def test_plan_has_every_step_with_the_keys_of_a_run(name: str) -> None:
    plan = PLANS[name]
    found = plan_dict(plan)
    keys = {"name", "started", "ended", "outcome", "expected", "evidence"}

    assert [each["name"] for each in found["steps"]] == [each.step.name for each in plan.steps]
    assert all(keys <= each.keys() for each in found["steps"])
    assert found["problems"] == []
    text = shown(plan_text(plan))
    assert all(each.step.name in text for each in plan.steps)
    assert max(map(len, text.splitlines())) <= 80


def test_refused_plan_has_the_problems_of_its_guards() -> None:
    refusal = Refused(Problem("primary-lost", "the primary is healthy", "`dr switchover`"))
    (problem,) = plan_dict(PLANS["failover"], refusal)["problems"]

    assert problem == {"subject": "primary-lost", "fact": "the primary is healthy", "remedy": "`dr switchover`"}


SKIPPED = Decision(Intervention.SKIP, "ada@laptop", "I looked myself")
FORCED = Decision(Intervention.FORCE, "ada@laptop", "the alarm is late")


@pytest.mark.parametrize(
    ("changed", "decision", "word"),
    [(True, None, "done"), (False, None, "unneeded"), (False, SKIPPED, "skipped"), (True, FORCED, "forced")],
)
def test_outcome_of_a_step_is_one_word(changed: bool, decision: Decision | None, word: str) -> None:
    assert Outcome("engage", "Close", changed, "", AT, timedelta(0), decision).word == word


@pytest.mark.parametrize(
    ("seconds", "full", "style"), [(0, 0, "green"), (60, 6, "green"), (120, 12, "green"), (500, 12, "yellow")]
)
def test_running_step_is_shown_against_its_expected_duration(seconds: float, full: int, style: str) -> None:
    step = PLANS["failover"].steps[4].step
    expected = Expected(timedelta(seconds=80), timedelta(seconds=120), "3 earlier runs", measured=True)
    line = running_line(step, seconds, expected, "2 of 3 nodes")

    assert line.plain.startswith("━" * full + "─" * (12 - full))
    assert line.plain.endswith("of 80 s, p75 2 min  2 of 3 nodes")
    assert (": slow, " in line.plain) == (style == "yellow")
    assert style in {str(span.style) for span in line.spans} or not full


def test_running_step_without_an_expected_duration_shows_its_time() -> None:
    step = PLANS["failover"].steps[4].step

    assert running_line(step, 3, None, "waiting").plain == f"{step.title} (3 s) waiting"


def test_run_has_times_outcomes_and_expected_durations() -> None:
    plan = PLANS["failover"]
    outcomes = [Outcome(each.step.name, each.step.title, True, "seen", AT, timedelta(seconds=2)) for each in plan.steps]
    found = run_dict(plan, outcomes)["steps"][0]

    assert (found["started"], found["ended"]) == ("2026-11-28T12:00:00.000+00:00", "2026-11-28T12:00:02.000+00:00")
    assert (found["outcome"], found["evidence"], found["expected"]["measured"]) == ("done", "seen", False)
    assert "is done, after 2 s" in shown(run_text(plan, outcomes))
