"""Usage of `python -m sandbox` without a running sandbox; test_commands.py uses a running one."""

import json
import os
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from dr.errors import Exit
from sandbox.cli.main import app


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DR_SANDBOX_STATE", str(tmp_path))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("region", "us-esat-1", "--unreachable"), '"us-esat-1" is not an AWS region'),
        (("region", "us-east-1"), "exactly one of these options is needed"),
        (("region", "us-east-1", "--unreachable", "--heal"), "exactly one of these options is needed"),
        (("region", "us-east-1", "--heal", "--with-global"), "is valid with --unreachable only"),
        (("operation", "s3:PutObject", "--error", "SlowDown", "--region", "moon-1"), '"moon-1" is not an AWS region'),
        (("zone", "us-east-1a"), "exactly one of these options is needed"),
        (("zone", "us-east-1a", "--down", "--heal"), "exactly one of these options is needed"),
        (("zone", "us-east-1", "--down"), '"us-east-1" is not a valid availability zone'),
        (("zone", "us-esat-1a", "--down"), '"us-esat-1" is not an AWS region'),
        (("inference", "us-east-1"), "exactly one of these options is needed"),
        (("inference", "us-east-1", "--slow=4s", "--heal"), "exactly one of these options is needed"),
        (("capacity", "us-west-2", "g5.2xlarge"), "exactly one of these options is needed"),
        (("capacity", "us-wets-2", "g5.2xlarge", "--none"), '"us-wets-2" is not an AWS region'),
    ],
)
def test_invalid_fault_options_are_refused(arguments: tuple[str, ...], message: str) -> None:
    result = run("fault", *arguments)

    assert result.exit_code == Exit.INVALID
    assert message in result.output


@pytest.mark.parametrize("arguments", [("fault", "list"), ("env",), ("shell",), ("predict", "--region", "us-east-1")])
def test_commands_that_need_a_sandbox_are_refused_without_one(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert result.exit_code == Exit.REFUSED
    assert "`make up` starts it" in result.output


@pytest.mark.parametrize("text", ["2", "2m", "fast", "-1s"])
def test_invalid_duration_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.server_process.require", lambda local: None)
    result = run("fault", "region", "us-east-1", f"--slow={text}")

    assert result.exit_code == Exit.INVALID
    assert f'"{text}" is not a valid duration' in result.output


def test_unknown_options_and_commands_are_invalid() -> None:
    assert run("up", "--no-such-option").exit_code == Exit.INVALID
    assert run("no-such-command").exit_code == Exit.INVALID


def test_unwritable_state_folder_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DR_SANDBOX_STATE", str(tmp_path / "file" / "below"))
    result = run("up")

    assert result.exit_code == Exit.FAILED
    assert "the sandbox cannot write there" in result.output
    assert "DR_SANDBOX_STATE" in result.output


def hold_lock(state: Path, pid: int) -> None:
    locks = state / "backend" / ".pulumi" / "locks" / "organization" / "dr" / "primary"
    locks.mkdir(parents=True)
    (locks / "lock.json").write_text(json.dumps({"pid": pid}))


def test_down_is_refused_while_an_update_runs(tmp_path: Path) -> None:
    hold_lock(tmp_path, os.getpid())
    result = run("down")

    assert result.exit_code == Exit.REFUSED
    assert f"an operation of Pulumi runs on its stacks (pid {os.getpid()})" in result.output
    assert "`make down ARGS=--force`" in result.output
    assert (tmp_path / "backend").exists()


@pytest.mark.parametrize(("answer", "code"), [("y", Exit.OK), ("n", Exit.REFUSED)])
def test_down_asks_for_confirmation_at_a_terminal_while_an_update_runs(
    answer: str, code: Exit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_lock(tmp_path, os.getpid())
    monkeypatch.setattr("sandbox.cli.main._asks", lambda: True)
    result = CliRunner().invoke(app, ["down"], input=f"{answer}\n")

    assert result.exit_code == code
    assert "Stop the sandbox? [y/N]" in result.output
    assert (tmp_path / "backend").exists() == (code is Exit.REFUSED)


@pytest.mark.parametrize(
    ("arguments", "pid"), [(("down", "--force"), os.getpid()), (("down",), 2**22 + 1)], ids=["forced", "ended"]
)
def test_down_stops_the_sandbox_if_forced_or_after_the_update_has_ended(
    arguments: tuple[str, ...], pid: int, tmp_path: Path
) -> None:
    hold_lock(tmp_path, pid)

    assert run(*arguments).exit_code == Exit.OK
    assert not (tmp_path / "backend").exists()


def test_up_is_refused_on_a_machine_without_enough_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.resources.RUN_MEMORY_GB", 1_000_000.0)
    result = run("up")

    assert result.exit_code == Exit.REFUSED
    assert "Needs 1000000.0 GB of memory" in result.output


@pytest.mark.parametrize("arguments", [(), ("fault",), ("clock",), *((name,) for name in get_command(app).commands)])  # type: ignore[attr-defined]
def test_help_has_no_trailing_blanks(arguments: tuple[str, ...]) -> None:
    lines = run(*arguments, "-h").output.splitlines()

    assert lines[0].startswith("Usage:")
    assert [line for line in lines if line != line.rstrip()] == []
