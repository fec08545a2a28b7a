"""All tools of the sandbox: found, or made side by side with one progress line."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.errors import DrError, Failed
from sandbox.toolchain import go_cache
from sandbox.toolchain.chart_sources import PUBLISHED
from sandbox.toolchain.crane import CRANE
from sandbox.toolchain.kubernetes_binaries import KUBERNETES, Binaries
from sandbox.toolchain.kubernetes_plugin import PLUGIN, Plugin
from sandbox.toolchain.pulumi import ENGINE, Toolchain
from sandbox.toolchain.tool import Report, Tool

TOOLS: Mapping[str, Tool[Any]] = {
    "engine": ENGINE,
    "kubernetes": KUBERNETES,
    "plugin": PLUGIN,
    "crane": CRANE,
    "charts": PUBLISHED,
}
"""Field of `Programs` to its tool, in the order in which they are made: those of one set of modules follow each other,
so that a package that several share is compiled once."""
BESIDE = frozenset({"engine"})
"""Tools that are made at the same time as the rest: the engine shares no module with them."""


@dataclass(frozen=True)
class Programs:
    """The sandbox's tools that Python's package registry does not have.

    Args:
        engine: Pulumi's engine.
        kubernetes: A control plane.
        plugin: The engine's plugin for Kubernetes.
        crane: The command whose `registry serve` is an OCI registry.
        charts: The folder of charts' published files.
    """

    engine: Toolchain
    kubernetes: Binaries
    plugin: Plugin
    crane: Path
    charts: Path

    def __str__(self) -> str:
        return (
            f"pulumi {self.engine.version}, {self.engine.origin}; "
            f"kubernetes {self.kubernetes.version}, {self.kubernetes.origin}; "
            f"plugin {self.plugin.version}, {self.plugin.origin}"
        )


def find_programs() -> Programs | None:
    """The tools, if all exist already; builds and downloads nothing.

    Raises:
        Invalid: An environment variable has an invalid value, or names no program.
    """
    found = _found()
    return Programs(**found) if found.keys() == TOOLS.keys() else None


def ensure_programs(report: Report) -> Programs:
    """The tools that exist already, and new ones of the rest.

    Args:
        report: Receives the progress of all tools as one.

    Raises:
        Failed: Some are missing and cannot be made; the error holds every reason.
        Invalid: As `find_programs`.
    """
    found = _found()
    missing = {name: tool for name, tool in TOOLS.items() if name not in found}
    if missing:
        found |= _make(missing, _Progress(missing, report))
    return Programs(**found)


def _found() -> dict[str, Any]:
    return {name: found for name, tool in TOOLS.items() if (found := tool.find()) is not None}


def _make(missing: Mapping[str, Tool[Any]], progress: _Progress) -> dict[str, Any]:
    def make(names: Sequence[str]) -> dict[str, Any]:
        return {name: progress.make(name) for name in names}

    groups = [[name for name in missing if (name in BESIDE) is beside] for beside in (True, False)]
    with go_cache.removed_afterwards(), ThreadPoolExecutor(max_workers=len(groups)) as pool:
        futures = [pool.submit(make, names) for names in groups]
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in errors:
            if not isinstance(error, DrError):
                raise error
        if problems := [problem for error in errors if isinstance(error, DrError) for problem in error.problems]:
            raise Failed(*problems)
    return {name: made for future in futures for name, made in future.result().items()}


class _Progress:
    """The progress of several tools as one: the last text of each, and a share weighted by `Tool.minutes`."""

    def __init__(self, missing: Mapping[str, Tool[Any]], report: Report) -> None:
        self._tools, self._report, self._lock = missing, report, threading.Lock()
        self._share = dict.fromkeys(missing, 0.0)
        self._text = dict.fromkeys(missing, "")

    def make(self, name: str) -> Any:
        """Make one tool and report its part of the progress."""

        def report(text: str, share: float | None) -> None:
            self._update(name, text, share)

        made = self._tools[name].make(report)
        self._update(name, "", 1.0)
        return made

    def _update(self, name: str, text: str, share: float | None) -> None:
        with self._lock:
            self._text[name] = text
            if share is not None:
                self._share[name] = share
            done = sum(tool.minutes * self._share[name] for name, tool in self._tools.items())
            if line := "; ".join(filter(None, self._text.values())):
                self._report(line, done / sum(tool.minutes for tool in self._tools.values()))
