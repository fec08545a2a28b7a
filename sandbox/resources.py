"""Memory and disk space that a sandbox needs, compared with those of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from dr.errors import Problem, Refused

GB = 10**9
RUN_MEMORY_GB = 2.6
"""Memory in GB of the emulator, a Kubernetes control plane in each region and one engine; measured."""
BUILD_DISK_GB = 8.4
"""Maximum size in GB of the cache while Pulumi, Kubernetes and its plugin are built from source; measured."""
RUN_DISK_GB = 1.0
"""Disk space in GB of a sandbox's state, logs and chart caches, and of the engine's files for each update; assumed."""


@dataclass(frozen=True)
class Resources:
    """Needed and available memory and disk space, in GB (10^9 bytes).

    Args:
        memory: Needed memory; 0 if the sandbox is running.
        memory_free: Available memory, including swap.
        disk: Needed disk space.
        disk_free: Free disk space.
        folder: Folder on the measured disk.
    """

    memory: float
    memory_free: float
    disk: float
    disk_free: float
    folder: Path

    def __str__(self) -> str:
        memory = f"{self.memory:.1f} GB of memory ({self.memory_free:.1f} GB available) and " if self.memory else ""
        return f"Needs {memory}{self.disk:.1f} GB of disk in {self.folder} ({self.disk_free:.1f} GB free)."

    def require(self) -> None:
        """Check that the machine has enough memory and disk space.

        Raises:
            Refused: Memory or disk space is not sufficient; the message has both numbers.
        """
        if problems := list(self._problems()):
            raise Refused(*problems)

    def _problems(self) -> Iterator[Problem]:
        if self.memory_free < self.memory:
            fact = f"{self.memory_free:.1f} GB is available, and a sandbox needs about {self.memory:.1f} GB"
            yield Problem("memory", fact, "end other programs, or add swap space")
        if self.disk_free < self.disk:
            fact = f"{self.disk_free:.1f} GB is free, and this step needs about {self.disk:.1f} GB"
            remedy = "free some space, or set DR_TOOLCHAIN_CACHE and DR_SANDBOX_STATE to folders of another disk"
            yield Problem(f"disk of {self.folder}", fact, remedy)


def measure(folder: Path, cache: Path, *, build: bool, running: bool) -> Resources:
    """Measure the available memory and disk space of this machine.

    Args:
        folder: Folder of the sandbox.
        cache: Folder in which programs are built.
        build: Whether programs must be built first.
        running: Whether the sandbox is running.
    """
    target = _existing(cache if build else folder)
    available = psutil.virtual_memory().available + psutil.swap_memory().free
    return Resources(
        memory=0 if running else RUN_MEMORY_GB,
        memory_free=available / GB,
        disk=BUILD_DISK_GB if build else RUN_DISK_GB,
        disk_free=shutil.disk_usage(target).free / GB,
        folder=target,
    )


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
