"""Workflows: actions are pinned and jobs have the least permissions; actionlint checks the syntax."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
JOBS = [
    pytest.param(path, name, job, id=f"{path.stem}-{name}")
    for path in WORKFLOWS
    for name, job in yaml.safe_load(path.read_text())["jobs"].items()
]
ALLOWED = {
    ("preview", "aws"): {"contents": "read", "id-token": "write"},
    ("preview", "comment"): {"pull-requests": "write"},
}
"""Jobs with more permissions than reading the repository."""


def test_workflows_are_ci_and_preview() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "preview.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_with_its_version_in_a_comment(path: Path) -> None:
    uses = re.findall(r"uses: (.*)", path.read_text())

    assert uses
    assert [each for each in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_has_no_permissions_and_no_secrets_and_a_concurrency_group(path: Path) -> None:
    text, parsed = path.read_text(), yaml.safe_load(path.read_text())

    assert parsed["permissions"] == {}
    assert parsed["concurrency"]["group"]
    assert "secrets." not in text
    assert "pull_request_target" not in text


@pytest.mark.parametrize(("path", "name", "job"), JOBS)
def test_job_has_only_the_permissions_it_needs_and_a_timeout(path: Path, name: str, job: dict[str, Any]) -> None:
    assert job["permissions"] == ALLOWED.get((path.stem, name), {"contents": "read"})
    assert 0 < job["timeout-minutes"] <= 60


@pytest.mark.parametrize(("path", "name", "job"), JOBS)
def test_steps_do_not_interpolate_expressions_into_shell_commands(path: Path, name: str, job: dict[str, Any]) -> None:
    assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize(("path", "name", "job"), JOBS)
def test_checkouts_do_not_persist_credentials(path: Path, name: str, job: dict[str, Any]) -> None:
    checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]

    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_pull_request_from_a_fork_runs_only_jobs_with_read_access() -> None:
    jobs = yaml.safe_load((FOLDER / "preview.yml").read_text())["jobs"]

    for name in ("aws", "comment"):
        assert "github.event.pull_request.head.repo.full_name == github.repository" in jobs[name]["if"]


def test_preview_of_aws_has_dr_on_path_and_runs_the_preflight() -> None:
    jobs = yaml.safe_load((FOLDER / "preview.yml").read_text())["jobs"]
    (step,) = [step for step in jobs["aws"]["steps"] if step.get("id") == "preview"]

    assert 'PATH="$PWD/.local/venv/bin:' in step["run"]
    assert "dr preflight -s" in (FOLDER.parent / "preview.sh").read_text()
