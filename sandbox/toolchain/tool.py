"""A tool of the sandbox, described by data: where to look for it, and how to make one for the user's cache."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from dr.errors import Failed, Problem
from sandbox.toolchain.cache import cache, chosen_way, for_this_machine

Found = TypeVar("Found")
Report = Callable[[str, float | None], None]
"""Called with the current step and the share that is done, from 0 to 1; None where the share is unknown."""
Way = tuple[Callable[[Path, Report], None], str]
"""A function that makes the tool in an empty folder, and the `origin` of a tool made by it."""
VERSION_SECONDS = 20.0
"""Longest wait for a program to print its version."""


@dataclass(frozen=True)
class Release:
    """The release of a tool that this checkout pins.

    Args:
        version: Like `3.276.0`.
        folder: Name of its folder in the cache, without the operating system and processor.
    """

    version: str
    folder: str


@dataclass(frozen=True)
class Installed(Generic[Found]):
    """A tool that the person has installed.

    Args:
        find: Returns the installed tool; None where it is absent or of an unsupported version.
        missing: Returns the problem to report where `DR_TOOLCHAIN=path` and `find` returns None.
    """

    find: Callable[[], Found | None]
    missing: Callable[[], Problem]


@dataclass(frozen=True)
class Tool(Generic[Found]):
    """A program, a group of programs or a set of files that the sandbox needs and Python's package registry lacks.

    Args:
        subject: Name of the tool in messages.
        release: Returns the pinned release.
        minutes: Processor minutes to make it with empty caches, measured; weighs the tool's share of the progress.
        open: Returns the tool in a folder, given its origin; None where the folder is incomplete.
        works: Whether the tool in a new folder is of the pinned version and runs here.
        ways: The ways to make it, in the order in which they are tried, by their value of `DR_TOOLCHAIN`.
        installed: Where the person may have installed it; None where only the cache can have it.
        named: Returns the tool that an environment variable of its own names, which comes before all others.
    """

    subject: str
    release: Callable[[], Release]
    minutes: float
    open: Callable[[Path, str], Found | None]
    works: Callable[[Path], bool]
    ways: Mapping[str, Way]
    installed: Installed[Found] | None = None
    named: Callable[[], Found | None] | None = None

    @property
    def place(self) -> Path:
        """Its folder in the cache."""
        return cache() / self._folder

    def find(self) -> Found | None:
        """The tool that exists already; builds and downloads nothing.

        Raises:
            Invalid: `DR_TOOLCHAIN` or the tool's own variable has an invalid value.
        """
        if self.named and (named := self.named()):
            return named
        way = chosen_way()
        if self.installed and way in (None, "path"):
            found = self.installed.find()
            if found or way == "path":
                return found
        return self.open(self.place, "cached")

    def ensure(self, report: Report) -> Found:
        """The tool that exists already, or a new one.

        Raises:
            Failed: As `make`.
            Invalid: As `find`.
        """
        return self.find() or self.make(report)

    def make(self, report: Report) -> Found:
        """Make the tool in the cache. Safe when several processes call it at once, or one is killed.

        Args:
            report: Receives the progress.

        Raises:
            Failed: `DR_TOOLCHAIN=path`, no way succeeds, or the cache cannot be written.
            Invalid: `DR_TOOLCHAIN` has an invalid value.
        """
        way = chosen_way()
        if way == "path" and self.installed:
            raise Failed(self.installed.missing())
        ways = {way: self.ways[way]} if way is not None and way in self.ways else self.ways
        try:
            with self._locked(report):
                # Another process may have made it while this one waited for the lock.
                return self.open(self.place, "cached") or self._new(ways, report)
        except OSError as error:
            fact = f"{error.filename or cache()} cannot be written: {error.strerror or error}"
            remedy = "free disk space or make the folder writable, or set DR_TOOLCHAIN_CACHE to another folder"
            raise Failed(Problem(self.subject, fact, remedy)) from error

    @property
    def _folder(self) -> str:
        return for_this_machine(self.release().folder)

    @contextmanager
    def _locked(self, report: Report) -> Iterator[None]:
        """Admit one process of this user at a time; the kernel releases the lock of a process that dies."""
        cache().mkdir(parents=True, exist_ok=True)
        with (cache() / f"{self._folder}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(f"waiting for another process that makes {self.subject} {self.release().version}", None)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _new(self, ways: Mapping[str, Way], report: Report) -> Found:
        for left_by_a_killed_process in cache().glob(f".{self._folder}.*"):
            shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
        problems: list[Problem] = []
        for way, (make, origin) in ways.items():
            folder = Path(tempfile.mkdtemp(prefix=f".{self._folder}.", dir=cache()))
            try:
                make(folder, report)
                if self.works(folder) and (made := self._put_in_place(folder, origin)):
                    return made
                problems.append(self._broken(folder, way))
            except Failed as failed:
                problems += failed.problems
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        raise Failed(*problems)

    def _put_in_place(self, folder: Path, origin: str) -> Found | None:
        folder.chmod(0o755)
        if self.place.exists():
            shutil.rmtree(self.place)  # incomplete, or `open` would have returned it
        folder.rename(self.place)
        return self.open(self.place, origin)

    def _broken(self, folder: Path, way: str) -> Problem:
        version = self.release().version
        fact = f"the result of `{way}` in {folder.parent} is not {self.subject} {version}, or does not run here"
        remedy = "set DR_TOOLCHAIN_CACHE to a folder from which programs may run; unset GOOS and GOARCH"
        return Problem(self.subject, fact, remedy)


def version_of(command: Path, *arguments: str) -> str | None:
    """The version in a program's output, such as "v3.276.0", "Kubernetes v1.36.3" or "etcd Version: 3.6.8".

    Args:
        command: The program.
        arguments: Arguments that make it print its version.

    Returns:
        Like `3.276.0`; None where the program does not run or prints no version.
    """
    variables = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run(
            [command, *arguments], capture_output=True, text=True, timeout=VERSION_SECONDS, env=variables
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(?:v|Version: )(\d+\.\d+\.\d+)", done.stdout)
    return match[1] if match and done.returncode == 0 else None
