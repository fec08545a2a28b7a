from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import language_pb2 as pb

from sandbox.engine.language_host import runner_arguments


def request(**changes: object) -> pb.RunRequest:
    values: dict[str, Any] = {
        "monitor_address": "127.0.0.1:1",
        "project": "dr",
        "stack": "primary",
        "pwd": "/a project",
        "dryRun": True,
        "parallel": 16,
        "organization": "organization",
        "info": pb.ProgramInfo(root_directory="/a project", program_directory="/a project", entry_point="."),
        **changes,
    }
    return pb.RunRequest(**values)


def options(request: pb.RunRequest) -> dict[str, str]:
    *arguments, _ = runner_arguments(request, "127.0.0.1:2")
    return dict(zip(arguments[::2], arguments[1::2], strict=True))


def test_request_becomes_the_command_line_of_the_program_runner() -> None:
    assert options(request()) == {
        "--monitor": "127.0.0.1:1",
        "--engine": "127.0.0.1:2",
        "--project": "dr",
        "--root_directory": "/a project",
        "--stack": "primary",
        "--pwd": "/a project",
        "--dry_run": "true",
        "--parallel": "16",
        "--organization": "organization",
    }


@pytest.mark.parametrize(("dry", "text"), [(True, "true"), (False, "false")])
def test_runner_gets_the_preview_flag(dry: bool, text: str) -> None:
    assert options(request(dryRun=dry))["--dry_run"] == text


def test_empty_value_is_left_out() -> None:
    assert "--organization" not in options(request(organization=""))


def test_program_is_the_entry_point_or_the_folder() -> None:
    assert runner_arguments(request(), "e")[-1] == "."
    entry = pb.ProgramInfo(root_directory="/p", program_directory="/p", entry_point=str(Path("/p/other")))
    assert runner_arguments(request(info=entry), "e")[-1] == "/p/other"
