"""All tools together: missing ones are built in parallel, and every reason for a failure is reported."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dr.errors import Failed, Problem
from sandbox.toolchain import programs
from sandbox.toolchain.kubernetes_binaries import Binaries
from sandbox.toolchain.kubernetes_plugin import Plugin
from sandbox.toolchain.programs import Programs, ensure_programs, find_programs
from sandbox.toolchain.pulumi import Toolchain
from sandbox.toolchain.tool import Report
from tests.support.toolchain import silent

FOUND: dict[str, Any] = {
    "engine": Toolchain(Path("/p/pulumi"), "3.276.0", "cached", None),
    "kubernetes": Binaries(Path("/k"), "1.36.3", "cached"),
    "plugin": Plugin(Path("/k/plugin"), "4.34.2", "built"),
    "crane": Path("/c/crane"),
    "charts": Path("/charts"),
}


@dataclass
class FakeTool:
    """Fake of a tool that exists or is built by a function.

    Args:
        tool: The tool.
        minutes: Estimated build time, as of the real tool.
        exists: Whether the tool is found.
        making: Called to build the tool.
    """

    tool: Any
    minutes: float
    exists: bool = True
    making: Callable[[Report], None] = field(default=lambda report: None)
    searches: int = 0

    def find(self) -> Any:
        self.searches += 1
        return self.tool if self.exists else None

    def make(self, report: Report) -> Any:
        self.making(report)
        return self.tool


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeTool]:
    """All tools, none missing."""
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(tmp_path))
    fakes = {name: FakeTool(FOUND[name], tool.minutes) for name, tool in programs.TOOLS.items()}
    monkeypatch.setattr(programs, "TOOLS", fakes)
    return fakes


def test_existing_tools_are_found(tools: dict[str, FakeTool]) -> None:
    assert find_programs() == ensure_programs(silent) == Programs(**FOUND)


@pytest.mark.parametrize("missing", FOUND)
def test_missing_tool_is_built(tools: dict[str, FakeTool], missing: str) -> None:
    tools[missing].exists = False

    assert find_programs() is None
    assert ensure_programs(silent) == Programs(**FOUND)


def test_each_tool_is_searched_for_once(tools: dict[str, FakeTool]) -> None:
    tools["plugin"].exists = tools["crane"].exists = False

    ensure_programs(silent)

    assert {name: tool.searches for name, tool in tools.items()} == dict.fromkeys(FOUND, 1)


def test_engine_and_kubernetes_are_built_in_parallel(tools: dict[str, FakeTool]) -> None:
    both = threading.Barrier(2, timeout=60)

    def wait_for_the_other(report: Report) -> None:
        both.wait()

    for tool in tools.values():
        tool.exists = False
    for name in ("engine", "kubernetes"):
        tools[name].making = wait_for_the_other

    assert ensure_programs(silent) == Programs(**FOUND)


def test_every_reason_for_a_failed_build_is_reported(tools: dict[str, FakeTool]) -> None:
    def failing(name: str) -> Callable[[Report], None]:
        def fail(report: Report) -> None:
            raise Failed(Problem(name, "cannot be made", "go online"))

        return fail

    for name in ("engine", "kubernetes"):
        tools[name].exists, tools[name].making = False, failing(name)

    with pytest.raises(Failed) as raised:
        ensure_programs(silent)
    assert {problem.subject for problem in raised.value.problems} == {"engine", "kubernetes"}


def test_progress_is_one_line_weighted_by_the_missing_tools(tools: dict[str, FakeTool]) -> None:
    lines: list[tuple[str, float | None]] = []

    def make(report: Report) -> None:
        report("building the Kubernetes plugin: 1 of 2 packages", 0.5)

    for name in ("plugin", "crane"):
        tools[name].exists = False
    tools["plugin"].making = make
    ensure_programs(lambda text, share: lines.append((text, share)))

    text, share = lines[0]
    assert text == "building the Kubernetes plugin: 1 of 2 packages"
    minutes = tools["plugin"].minutes, tools["crane"].minutes
    assert share == pytest.approx(0.5 * minutes[0] / sum(minutes))
