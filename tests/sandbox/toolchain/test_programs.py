"""All programs at once: what is missing is made side by side, and every reason why one cannot be had is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from dr.errors import Failed, Problem
from sandbox.toolchain import programs
from sandbox.toolchain.cache import Report
from sandbox.toolchain.kubernetes_binaries import Binaries
from sandbox.toolchain.kubernetes_plugin import Plugin
from sandbox.toolchain.programs import Programs, ensure_programs, find_programs
from sandbox.toolchain.pulumi import Toolchain

FOUND: dict[str, Any] = {
    "pulumi": Toolchain(Path("/p/pulumi"), "3.258.0", "cached", None),
    "binaries": Binaries(Path("/k"), "1.36.3", "cached"),
    "plugin": Plugin(Path("/k/plugin"), "4.34.2", "built"),
    "crane": Path("/c/crane"),
    "charts": Path("/charts"),
}


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is there already; a test takes some of it away. What is made is what `FOUND` says."""
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(tmp_path))
    kept = dict(FOUND)
    for name in FOUND:
        monkeypatch.setattr(programs, f"find_{name}", lambda name=name: kept.get(name))
        monkeypatch.setattr(programs, f"ensure_{name}", lambda report, name=name: kept.get(name) or FOUND[name])
    return kept


def silent(text: str, share: float | None) -> None:
    pass


def test_what_is_there_is_found(there: dict[str, Any]) -> None:
    assert find_programs() == ensure_programs(silent) == Programs(*FOUND.values())


@pytest.mark.parametrize("missing", FOUND)
def test_one_that_is_missing_is_made(there: dict[str, Any], missing: str) -> None:
    del there[missing]

    assert find_programs() is None
    assert ensure_programs(silent) == Programs(*FOUND.values())


def test_engine_is_made_beside_kubernetes(there: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    there.clear()
    both = threading.Barrier(2, timeout=10)

    def made(name: str) -> Any:
        def make(report: Report) -> Any:
            both.wait()
            return FOUND[name]

        return make

    for name in ("pulumi", "binaries"):
        monkeypatch.setattr(programs, f"ensure_{name}", made(name))

    assert ensure_programs(silent) == Programs(*FOUND.values())


def test_all_reasons_are_told(there: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    there.clear()

    def failing(name: str) -> Any:
        def fail(report: Report) -> Any:
            raise Failed(Problem(name, "cannot be had", "go online"))

        return fail

    for name in ("pulumi", "binaries"):
        monkeypatch.setattr(programs, f"ensure_{name}", failing(name))

    with pytest.raises(Failed) as raised:
        ensure_programs(silent)
    assert {problem.subject for problem in raised.value.problems} == {"pulumi", "binaries"}


def test_progress_is_one_line_whose_share_weighs_what_is_missing(
    there: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plugin", "crane"):
        del there[name]
    lines: list[tuple[str, float | None]] = []

    def make(report: Report) -> Any:
        report("building the Kubernetes plugin: 1 of 2 packages", 0.5)
        return FOUND["plugin"]

    monkeypatch.setattr(programs, "ensure_plugin", make)
    ensure_programs(lambda text, share: lines.append((text, share)))

    minutes = programs.kubernetes_plugin.MODULES.minutes, programs.crane.MODULES.minutes
    text, share = lines[0]
    assert text == "building the Kubernetes plugin: 1 of 2 packages"
    assert share == pytest.approx(0.5 * minutes[0] / sum(minutes))
