"""Programs that are kept by version in the user's cache, for all checkouts: found there, or made there, once.

Environment:

- `DR_TOOLCHAIN` (`path`, `download`, `build`): the one way to get them. What is cached is used by all but `path`.
- `DR_TOOLCHAIN_CACHE`: where they are kept, instead of `${XDG_CACHE_HOME:-~/.cache}/ml-dr/toolchain`.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dr.errors import Failed, Invalid, Problem

Report = Callable[[str, float | None], None]
"""Called with what is being done, and how much of it is (0 to 1; None: not known)."""
Way = tuple[Callable[[Path, Report], None], str]
"""How a new one is made in a folder, and what it is called then."""
Found = TypeVar("Found")
WAYS = ("path", "download", "build")


def chosen_way() -> str | None:
    """What DR_TOOLCHAIN says.

    Raises:
        Invalid: it is not one of its values.
    """
    way = os.environ.get("DR_TOOLCHAIN") or None
    if way not in (None, *WAYS):
        raise Invalid(Problem("DR_TOOLCHAIN", f"is '{way}'", f"unset it, or use one of: {', '.join(WAYS)}"))
    return way


def find(on_path: Callable[[], Found | None], cached: Callable[[str], Found | None]) -> Found | None:
    """What is there already: on PATH, else in the cache, as `DR_TOOLCHAIN` allows.

    Args:
        on_path: Looks there; None where there is nothing fitting.
        cached: Looks into the cache; told how it came to be there.

    Raises:
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    way = chosen_way()
    found = on_path() if way in (None, "path") else None
    return found if found or way == "path" else cached("cached")


def version_of(command: Path, *arguments: str) -> str | None:
    """The version that a program says it is of, as in "v3.258.0", "Kubernetes v1.36.3" and "etcd Version: 3.6.8".

    Args:
        command: The program.
        arguments: What makes it say so.

    Returns:
        Like `3.258.0`; None where it does not run, or says none.
    """
    variables = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=20, env=variables)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(?:v|Version: )(\d+\.\d+\.\d+)", done.stdout)
    return match[1] if match and done.returncode == 0 else None


def through_emulator(plugin: Path) -> list[str]:
    """The command that runs a real plugin so that all it asks for comes from the emulator."""
    return ["sh", str(Path(__file__).resolve().parents[1] / "engine" / "through_emulator.sh"), str(plugin)]


def cache() -> Path:
    """The folder that holds all of them."""
    if chosen := os.environ.get("DR_TOOLCHAIN_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ml-dr" / "toolchain"


@dataclass(frozen=True)
class Kept:
    """One version of some programs.

    Args:
        subject: What they are called in messages: "pulumi".
        version: Like `3.258.0`.
        name: Of their folder, without the machine it is for.
    """

    subject: str
    version: str
    name: str

    @property
    def place(self) -> Path:
        """Their folder; the programs are in its `bin`."""
        return cache() / self._name

    @property
    def _name(self) -> str:
        machine = platform.machine().lower()
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
        return f"{self.name}-{platform.system().lower()}-{machine}"

    def get(
        self,
        found: Callable[[str], Found | None],
        ways: Mapping[str, Way],
        runs: Callable[[Path], bool],
        report: Report,
    ) -> Found:
        """What is kept, or else a new one. Safe when several processes ask at once, or one is killed.

        Args:
            found: Looks into the place; told how it came to be there.
            ways: How to make a new one, in the order in which they are tried.
            runs: Whether a folder's programs are of this version and run here.
            report: Told of progress.

        Raises:
            Failed: There is none and none can be had, or the cache cannot be written.
        """
        try:
            with self._alone(report):
                return found("cached") or self._new(found, ways, runs, report)
        except OSError as error:
            fact = f"{error.filename or cache()} cannot be written: {error.strerror or error}"
            remedy = "make room or give the right to write there, or set DR_TOOLCHAIN_CACHE to another folder"
            raise Failed(Problem(self.subject, fact, remedy)) from error

    @contextmanager
    def _alone(self, report: Report) -> Iterator[None]:
        """One process of this user at a time; the kernel frees the lock of a process that dies."""
        cache().mkdir(parents=True, exist_ok=True)
        with (cache() / f"{self._name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(f"waiting for another process that gets {self.subject} {self.version}", None)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _new(
        self,
        found: Callable[[str], Found | None],
        ways: Mapping[str, Way],
        runs: Callable[[Path], bool],
        report: Report,
    ) -> Found:
        for left_by_a_killed_process in cache().glob(f".{self._name}.*"):
            shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
        problems: list[Problem] = []
        for way, (make, origin) in ways.items():
            folder = Path(tempfile.mkdtemp(prefix=f".{self._name}.", dir=cache()))
            try:
                make(folder, report)
                if runs(folder) and (made := self._put_in_place(folder, found, origin)):
                    return made
                problems.append(self._does_not_run(folder, way))
            except Failed as failed:
                problems += failed.problems
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        raise Failed(*problems)

    def _put_in_place(self, folder: Path, found: Callable[[str], Found | None], origin: str) -> Found | None:
        folder.chmod(0o755)
        if self.place.exists():
            shutil.rmtree(self.place)  # incomplete, or it would have been found
        folder.rename(self.place)
        return found(origin)

    def _does_not_run(self, folder: Path, way: str) -> Problem:
        fact = f"what `{way}` gave in {folder.parent} is not {self.subject} {self.version}, or does not run here"
        remedy = "set DR_TOOLCHAIN_CACHE to a folder from which programs may run; unset GOOS and GOARCH"
        return Problem(self.subject, fact, remedy)
