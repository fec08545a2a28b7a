"""All programs of the sandbox, and the charts: found, or made side by side, with one line that says how far that is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dr.errors import DrError, Failed
from sandbox.toolchain import chart_sources, crane, go_cache, kubernetes_binaries, kubernetes_plugin, pulumi
from sandbox.toolchain.build import Modules
from sandbox.toolchain.cache import Report
from sandbox.toolchain.chart_sources import ensure_charts, find_charts
from sandbox.toolchain.crane import ensure_crane, find_crane
from sandbox.toolchain.kubernetes_binaries import Binaries, ensure_binaries, find_binaries
from sandbox.toolchain.kubernetes_plugin import Plugin, ensure_plugin, find_plugin
from sandbox.toolchain.pulumi import Toolchain, ensure_pulumi, find_pulumi

Made = TypeVar("Made")


@dataclass(frozen=True)
class Programs:
    """What the sandbox runs and Python's package registry does not have.

    Args:
        engine: Pulumi's engine.
        kubernetes: A control plane.
        plugin: The engine's plugin for Kubernetes.
        crane: The command whose `registry serve` is an OCI registry.
        charts: Published files that charts are made of.
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
    """The programs, if all are there already; it builds and downloads nothing.

    Raises:
        Invalid: An environment variable has none of its values, or names no program.
    """
    engine, kubernetes, plugin = find_pulumi(), find_binaries(), find_plugin()
    registry, charts = find_crane(), find_charts()
    if engine is None or kubernetes is None or plugin is None or registry is None or charts is None:
        return None
    return Programs(engine, kubernetes, plugin, registry, charts)


def ensure_programs(report: Report) -> Programs:
    """The programs that are there, and new ones of what is missing.

    The engine is made beside the rest. Kubernetes, the plugin and crane are of one set of modules and follow each
    other: what the first compiled the next ones find compiled.

    Raises:
        Failed: Some are not there and cannot be had; all reasons are told.
        Invalid: As `find_programs`.
    """
    if found := find_programs():
        return found
    progress = _Progress(report)
    with go_cache.removed_afterwards(), ThreadPoolExecutor(max_workers=2) as pool:
        engine = pool.submit(progress.follow, pulumi.MODULES, ensure_pulumi)
        others = pool.submit(_ensure_others, progress)
        errors = [error for error in (engine.exception(), others.exception()) if error is not None]
        for error in errors:
            if not isinstance(error, DrError):
                raise error
        if problems := [problem for error in errors if isinstance(error, DrError) for problem in error.problems]:
            raise Failed(*problems)
    return Programs(engine.result(), *others.result())


def _ensure_others(progress: _Progress) -> tuple[Binaries, Plugin, Path, Path]:
    return (
        progress.follow(kubernetes_binaries.MODULES, ensure_binaries),
        progress.follow(kubernetes_plugin.MODULES, ensure_plugin),
        progress.follow(crane.MODULES, ensure_crane),
        progress.follow(chart_sources.MODULES, ensure_charts),
    )


class _Progress:
    """Several builds as one: what each says last, and a share weighted by how long each takes."""

    def __init__(self, report: Report) -> None:
        self._report, self._lock = report, threading.Lock()
        missing = (
            (pulumi.MODULES, find_pulumi()),
            (kubernetes_binaries.MODULES, find_binaries()),
            (kubernetes_plugin.MODULES, find_plugin()),
            (crane.MODULES, find_crane()),
            (chart_sources.MODULES, find_charts()),
        )
        self._minutes = {modules.subject: modules.minutes for modules, found in missing if found is None}
        self._share = dict.fromkeys(self._minutes, 0.0)
        self._text: dict[str, str] = {}

    def follow(self, modules: Modules, ensure: Callable[[Report], Made]) -> Made:
        """Make one of them, and say how far it is."""

        def report(text: str, share: float | None) -> None:
            self._say(modules.subject, text, share)

        made = ensure(report)
        self._say(modules.subject, "", 1.0)
        return made

    def _say(self, subject: str, text: str, share: float | None) -> None:
        with self._lock:
            self._text[subject] = text
            if subject in self._share and share is not None:
                self._share[subject] = share
            done = sum(self._minutes[name] * self._share[name] for name in self._minutes)
            told = "; ".join(filter(None, self._text.values()))
            if told:
                self._report(told, done / (sum(self._minutes.values()) or 1.0))
