"""Text, JSON and exit codes of `dr check`."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner, Result

from dr.cli.check_command import Checked
from dr.cli.check_report import check_dict, check_text
from dr.cli.layout import show
from dr.cli.main import app
from dr.clients import client
from dr.errors import Exit
from dr.findings import Finding, Status
from dr.operations.operation import OPERATIONS
from dr.operations.readiness import CHECKS, ReadinessReport
from dr.topology.tiers import Tier

ROOT = Path(__file__).parents[4]
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
MET = Finding("model-set", Status.MET, "is whole", "", "whole")
REPORT = ReadinessReport("us-east-1", "us-west-2", Tier.PILOT, "", AT, (MET,))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments, "--project", str(ROOT)])


def shown(renderable: Any) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as captured:
        show(renderable, console)
    return captured.get()


@pytest.mark.parametrize(
    ("status", "code", "result"),
    [
        (Status.INFO, Exit.OK, "ready: 1 met, 1 info"),
        (Status.MISSED, Exit.FAILED, "not proven ready: 1 met, 1 missed"),
        (Status.UNKNOWN, Exit.UNKNOWN, "not proven ready: 1 met, 1 unknown"),
        (Status.STALE, Exit.UNKNOWN, "not proven ready: 1 met, 1 stale"),
    ],
)
def test_result_and_exit_code_are_those_of_the_worst_finding(status: Status, code: Exit, result: str) -> None:
    report = replace(REPORT, findings=(MET, Finding("quota", status, "64 vCPUs", "ask for more", "80 vCPUs")))

    assert report.exit_code is code
    assert f"result   {result}\n" in shown(check_text(report))


def test_findings_with_a_fix_come_first_and_each_fix_is_shown_once() -> None:
    lost = [Finding(name, Status.UNKNOWN, "us-west-2 does not answer", "look at it") for name in ("data", "zones")]
    text = shown(check_text(replace(REPORT, findings=(MET, *lost))))

    assert text.index("data") < text.index("model-set")
    assert "data, zones:\n    -> look at it" in text
    assert text.count("look at it") == 1


def test_document_has_every_finding_with_its_fix() -> None:
    found = check_dict(replace(REPORT, operation="failback", findings=(replace(MET, hint="publish it"),)))

    assert found == {
        "version": 1,
        "at": "2026-11-28T12:00:00+00:00",
        "primary": "us-east-1",
        "recovery": "us-west-2",
        "tier": "pilot",
        "operation": "failback",
        "findings": [
            {
                "name": "model-set",
                "status": "met",
                "measured": "is whole",
                "objective": "whole",
                "fix": "publish it",
                "at": "2026-11-28T12:00:00+00:00",
            }
        ],
        "exit_code": 0,
    }


def test_every_operation_can_be_checked() -> None:
    assert [str(each) for each in Checked] == list(OPERATIONS)


def test_stacks_that_are_not_deployed_are_refused() -> None:
    with mock_aws():
        # The first call loads the models of S3, which takes longer than the command waits on a busy machine.
        for region in ("us-east-1", "us-west-2"):
            client("s3", region).list_buckets()
        result = run("--json")

    assert result.exit_code == Exit.REFUSED
    assert "the primary stack" in json.loads(result.output)["problems"][0]["subject"]


def test_every_check_is_unknown_while_the_recovery_region_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        result = run("--json")

    found = json.loads(result.output)
    assert result.exit_code == Exit.UNKNOWN
    assert [each["name"] for each in found["findings"]] == [check.name for check in CHECKS]
    assert {each["status"] for each in found["findings"]} == {"unknown"}
    assert all("us-west-2 does not answer" in each["measured"] for each in found["findings"])
    assert found["tier"] is None
