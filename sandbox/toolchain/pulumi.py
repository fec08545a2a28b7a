"""Which `pulumi` the sandbox runs: the one on PATH, else one in the user's cache, else a new one for that cache.

A new one is downloaded where the internet is reachable (Pulumi's own installer), else built with Go.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import urllib.request
from dataclasses import dataclass
from functools import cache as once
from http.client import HTTPException
from pathlib import Path

from dr.errors import Failed, Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules, numbers
from sandbox.toolchain.cache import Kept, Report, Way, cache, chosen_way, find, version_of

SDK = "github.com/pulumi/pulumi/sdk/v3"
ENGINE = "github.com/pulumi/pulumi/pkg/v3"
MODULES = Modules(MODULE_FOLDER / "pulumi", "pulumi", ENGINE, minutes=7.0)
RUNNER = "pulumi-language-python-exec"
"""The SDK's program that runs a Pulumi program; it comes inside the SDK's Go module."""
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


@once
def kept() -> Kept:
    """The engine that go.mod asks for."""
    return Kept("pulumi", MODULES.version, MODULES.version)


def find_pulumi() -> Toolchain | None:
    """The engine that is there already, in milliseconds; it builds and downloads nothing.

    Raises:
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    return find(_on_path, _cached)


def ensure_pulumi(report: Report) -> Toolchain:
    """The engine that is there, or else a new one. Safe when several processes ask at once, or one is killed.

    Raises:
        Failed: None is there and none can be had, or the cache cannot be written.
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    if found := find_pulumi():
        return found
    way = chosen_way()
    if way == "path":
        fact = f"DR_TOOLCHAIN=path, and PATH has no {OLDEST} or newer with {LANGUAGE_HOST} beside it"
        raise Failed(Problem("pulumi", fact, "install pulumi, or unset DR_TOOLCHAIN"))
    return kept().get(_cached, {way: WAYS[way]} if way else WAYS, _runs, report)


def _cached(origin: str) -> Toolchain | None:
    commands, version = kept().place / "bin", kept().version
    if not os.access(commands / "pulumi", os.X_OK):
        return None
    if os.access(commands / LANGUAGE_HOST, os.X_OK):
        return Toolchain(commands / "pulumi", version, origin, None)
    runner = commands / RUNNER
    return Toolchain(commands / "pulumi", version, origin, runner) if runner.exists() else None


def _on_path() -> Toolchain | None:
    command = shutil.which("pulumi")
    if not command or Path(command).resolve().is_relative_to(cache().resolve()):
        return None  # in the sandbox's shell PATH leads to the cache
    beside = [str(Path(command).parent), str(Path(command).resolve().parent), os.environ.get("PATH", "")]
    if not shutil.which(LANGUAGE_HOST, path=os.pathsep.join(beside)):
        return None
    version = version_of(Path(command), "version")
    if version is None or not numbers(OLDEST) <= numbers(version) < numbers(BEFORE):
        return None
    return Toolchain(Path(command), version, "PATH", None)


def _runs(folder: Path) -> bool:
    return version_of(folder / "bin" / "pulumi", "version") == kept().version


def _build(folder: Path, report: Report) -> None:
    version = f"-X {SDK}/go/common/version.Version=v{MODULES.version}"
    commands = folder / "bin"
    commands.mkdir()
    MODULES.build([f"{ENGINE}/cmd/pulumi"], version, commands / "pulumi", report)
    shutil.copyfile(MODULES.source(SDK) / "python" / "cmd" / RUNNER, commands / RUNNER)
    (commands / RUNNER).chmod(0o755)


def _download(folder: Path, report: Report) -> None:
    report(f"looking whether pulumi {kept().version} can be downloaded", None)
    if not reachable():
        fact = f"its installer did not answer within {REACHABLE_SECONDS:g} s"
        raise Failed(Problem("download", fact, "go online, or install pulumi on PATH"))
    from pulumi.automation import PulumiCommand  # takes a second to import
    from semver import VersionInfo

    report(f"downloading pulumi {kept().version}", None)
    try:
        PulumiCommand.install(root=str(folder), version=VersionInfo.parse(kept().version))
    except subprocess.CalledProcessError as error:
        fact = f"the installer ended with {error.returncode}: {_text(error.output)}"
        raise Failed(Problem("download", fact, "try again, or install pulumi on PATH")) from error
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        raise Failed(Problem("download", f"failed: {error}", "try again, or install pulumi on PATH")) from error


def _text(output: bytes | str | None) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return text.strip()[-500:]


def reachable() -> bool:
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


WAYS: dict[str, Way] = {"download": (_download, "downloaded"), "build": (_build, "built")}
"""How a new engine is made in a folder, in the order in which they are tried, and what it is called then."""
