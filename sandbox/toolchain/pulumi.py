"""Which `pulumi` the sandbox runs: the one on PATH, else one in the user's cache, else a new one for that cache.

A new one is downloaded where the internet is reachable (Pulumi's own installer), else built with Go. Environment:

- `DR_TOOLCHAIN` (`path`, `download`, `build`): the one way to use. What is cached is used by all but `path`.
- `DR_TOOLCHAIN_CACHE`: where it is kept, instead of `${XDG_CACHE_HOME:-~/.cache}/ml-dr/toolchain`.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from dr.errors import Failed, Invalid, Problem
from sandbox.toolchain.build import RUNNER, Report, build, numbers, pins

LANGUAGE_HOST = "pulumi-language-python"
INSTALLER = "https://get.pulumi.com/install.sh"
OLDEST, BEFORE = "3.250.0", "4.0.0"
"""What is accepted on PATH: the sandbox's language host and provider were tried from 3.250 on."""
REACHABLE_SECONDS = 2.0


@dataclass(frozen=True)
class Toolchain:
    """An engine that can be run.

    Args:
        pulumi: The command. Its folder goes on PATH; in the cache that folder holds nothing of anybody else.
        version: Like `3.258.0`.
        origin: `PATH`, `downloaded`, `built` or `cached`.
        runner: The SDK's program runner; None when the toolchain has a language host of its own.
    """

    pulumi: Path
    version: str
    origin: str
    runner: Path | None


def find_pulumi() -> Toolchain | None:
    """The engine that is there already, in milliseconds; it builds and downloads nothing.

    Raises:
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    way = _chosen_way()
    found = _on_path() if way in (None, "path") else None
    return found if found or way == "path" else _cached("cached")


def ensure_pulumi(report: Report) -> Toolchain:
    """The engine that is there, or else a new one. Safe when several processes ask at once, or one is killed.

    Raises:
        Failed: None is there and none can be had, or the cache cannot be written.
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    if found := find_pulumi():
        return found
    way = _chosen_way()
    if way == "path":
        fact = f"DR_TOOLCHAIN=path, and PATH has no {OLDEST} or newer with {LANGUAGE_HOST} beside it"
        raise Failed(Problem("pulumi", fact, "install pulumi, or unset DR_TOOLCHAIN"))
    try:
        with _alone(report):
            return _cached("cached") or _new([way] if way else list(WAYS), report)
    except OSError as error:
        fact = f"{error.filename or _cache()} cannot be written: {error.strerror or error}"
        remedy = "make room or give the right to write there, or set DR_TOOLCHAIN_CACHE to another folder"
        raise Failed(Problem("pulumi", fact, remedy)) from error


def _chosen_way() -> str | None:
    way = os.environ.get("DR_TOOLCHAIN") or None
    if way not in (None, "path", *WAYS):
        raise Invalid(Problem("DR_TOOLCHAIN", f"is '{way}'", f"unset it, or use one of: path, {', '.join(WAYS)}"))
    return way


def _cache() -> Path:
    if chosen := os.environ.get("DR_TOOLCHAIN_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ml-dr" / "toolchain"


def _name() -> str:
    machine = platform.machine().lower()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{pins().pulumi}-{platform.system().lower()}-{machine}"


def _cached(origin: str) -> Toolchain | None:
    commands = _cache() / _name() / "bin"
    if not os.access(commands / "pulumi", os.X_OK):
        return None
    if os.access(commands / LANGUAGE_HOST, os.X_OK):
        return Toolchain(commands / "pulumi", pins().pulumi, origin, None)
    runner = commands / RUNNER
    return Toolchain(commands / "pulumi", pins().pulumi, origin, runner) if runner.exists() else None


def _on_path() -> Toolchain | None:
    command = shutil.which("pulumi")
    if not command or Path(command).resolve().is_relative_to(_cache().resolve()):
        return None  # in the sandbox's shell PATH leads to the cache
    beside = [str(Path(command).parent), str(Path(command).resolve().parent), os.environ.get("PATH", "")]
    if not shutil.which(LANGUAGE_HOST, path=os.pathsep.join(beside)):
        return None
    version = _version_of(Path(command))
    if version is None or not numbers(OLDEST) <= numbers(version) < numbers(BEFORE):
        return None
    return Toolchain(Path(command), version, "PATH", None)


def _version_of(command: Path) -> str | None:
    variables = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    try:
        done = subprocess.run([command, "version"], capture_output=True, text=True, timeout=20, env=variables)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v(\d+\.\d+\.\d+)", done.stdout)
    return match[1] if match and done.returncode == 0 else None


@contextmanager
def _alone(report: Report) -> Iterator[None]:
    """One process of this user at a time; the kernel frees the lock of a process that dies."""
    _cache().mkdir(parents=True, exist_ok=True)
    with (_cache() / f"{_name()}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"waiting for another process that gets pulumi {pins().pulumi}", None)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _new(ways: list[str], report: Report) -> Toolchain:
    for left_by_a_killed_process in _cache().glob(f".{_name()}.*"):
        shutil.rmtree(left_by_a_killed_process, ignore_errors=True)
    problems: list[Problem] = []
    for way in ways:
        folder = Path(tempfile.mkdtemp(prefix=f".{_name()}.", dir=_cache()))
        try:
            get, origin = WAYS[way]
            get(folder, report)
            if found := _put_in_place(folder, origin):
                return found
            problems.append(_does_not_run(folder, way))
        except Failed as failed:
            problems += failed.problems
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise Failed(*problems)


def _put_in_place(folder: Path, origin: str) -> Toolchain | None:
    if _version_of(folder / "bin" / "pulumi") != pins().pulumi:
        return None
    folder.chmod(0o755)
    place = _cache() / _name()
    if place.exists():
        shutil.rmtree(place)  # incomplete, or it would have been found
    folder.rename(place)
    return _cached(origin)


def _does_not_run(folder: Path, way: str) -> Problem:
    fact = f"what `{way}` gave in {folder.parent} is not a pulumi {pins().pulumi} that runs here"
    remedy = "set DR_TOOLCHAIN_CACHE to a folder from which programs may run; unset GOOS and GOARCH"
    return Problem("pulumi", fact, remedy)


def _download(folder: Path, report: Report) -> None:
    report(f"looking whether pulumi {pins().pulumi} can be downloaded", None)
    if not _reachable():
        fact = f"its installer did not answer within {REACHABLE_SECONDS:g} s"
        raise Failed(Problem("download", fact, "go online, or install pulumi on PATH"))
    from pulumi.automation import PulumiCommand  # takes a second to import
    from semver import VersionInfo

    report(f"downloading pulumi {pins().pulumi}", None)
    try:
        PulumiCommand.install(root=str(folder), version=VersionInfo.parse(pins().pulumi))
    except subprocess.CalledProcessError as error:
        fact = f"the installer ended with {error.returncode}: {_text(error.output)}"
        raise Failed(Problem("download", fact, "try again, or install pulumi on PATH")) from error
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        raise Failed(Problem("download", f"failed: {error}", "try again, or install pulumi on PATH")) from error


def _text(output: bytes | str | None) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return text.strip()[-500:]


def _reachable() -> bool:
    """Asks in a thread, since a name server that is silent is not under the request's timeout."""
    answers: list[int] = []

    def ask() -> None:
        request = urllib.request.Request(INSTALLER, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=REACHABLE_SECONDS) as answer:  # noqa: S310 (a constant)
                answers.append(answer.status)
        except (OSError, HTTPException):
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACHABLE_SECONDS)
    return answers == [200]


WAYS: dict[str, tuple[Callable[[Path, Report], None], str]] = {
    "download": (_download, "downloaded"),
    "build": (build, "built"),
}
"""How a new engine is made in a folder, in the order in which they are tried, and what it is called then."""
