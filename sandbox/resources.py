"""The memory and disk space that a sandbox needs, and whether this machine has them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from dr.errors import Problem, Refused

GB = 10**9
RUN_MEMORY_GB = 2.6
"""Measured: the emulator, a Kubernetes control plane in each region, and one engine."""
BUILD_DISK_GB = 8.4
"""Measured: the largest size of the cache while Pulumi, Kubernetes and its plugin are built from source."""
RUN_DISK_GB = 1.0
"""Assumed: the state, logs and chart caches of a sandbox, and files that the engine writes at every update."""


@dataclass(frozen=True)
class Resources:
    """What one sandbox needs and this machine has, in GB (10^9 bytes).

    Args:
        memory: Memory that is needed; 0 if the sandbox runs already.
        memory_free: Memory that is available, with swap.
        disk: Disk space that is needed.
        disk_free: Disk space that is free.
        folder: The folder of which the disk was measured.
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
        """Check that the machine has what is needed.

        Raises:
            Refused: it has not enough memory or disk space, with both numbers.
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
    """Measure this machine.

    Args:
        folder: The sandbox's folder.
        cache: The folder that programs are built in.
        build: Whether programs have to be built first.
        running: Whether the sandbox runs already.
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
