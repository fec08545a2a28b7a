"""The `pulumi` command that the sandbox runs.

A new one is downloaded by Pulumi's own installer where the internet is reachable, else built with Go.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from dr.errors import Failed, Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules, numbers
from sandbox.toolchain.cache import command_on_path
from sandbox.toolchain.tool import Installed, Release, Report, Tool, version_of

SDK = "github.com/pulumi/pulumi/sdk/v3"
CORE = "github.com/pulumi/pulumi/pkg/v3"
MODULES = Modules(MODULE_FOLDER / "pulumi", "pulumi", CORE)
RUNNER = "pulumi-language-python-exec"
"""Script that runs a Pulumi program; part of the SDK's Go module."""
LANGUAGE_HOST = "pulumi-language-python"
INSTALLER = "https://get.pulumi.com/install.sh"
OLDEST, BEFORE = "3.250.0", "4.0.0"
"""Versions accepted on PATH, the second excluded: the language host and the plugins were tested from 3.250 on."""
REACHABLE_SECONDS = 2.0


@dataclass(frozen=True)
class Toolchain:
    """An engine that can be run.

    Args:
        pulumi: The command. Its folder goes on PATH; in the cache that folder holds nothing else.
        version: Like `3.276.0`.
        origin: `PATH`, `downloaded`, `built` or `cached`.
        runner: The SDK's program runner; None when the toolchain has a language host of its own.
    """

    pulumi: Path
    version: str
    origin: str
    runner: Path | None


def _release() -> Release:
    return Release(MODULES.version, MODULES.version)


def _open(folder: Path, origin: str) -> Toolchain | None:
    commands, version = folder / "bin", MODULES.version
    if not os.access(commands / "pulumi", os.X_OK):
        return None
    if os.access(commands / LANGUAGE_HOST, os.X_OK):
        return Toolchain(commands / "pulumi", version, origin, None)
    runner = commands / RUNNER
    return Toolchain(commands / "pulumi", version, origin, runner) if runner.exists() else None


def _on_path() -> Toolchain | None:
    command = command_on_path("pulumi")
    if command is None:
        return None
    beside = [str(command.parent), str(command.resolve().parent), os.environ.get("PATH", "")]
    if not shutil.which(LANGUAGE_HOST, path=os.pathsep.join(beside)):
        return None
    version = version_of(command, "version")
    if version is None or not numbers(OLDEST) <= numbers(version) < numbers(BEFORE):
        return None
    return Toolchain(command, version, "PATH", None)


def _missing() -> Problem:
    fact = f"DR_TOOLCHAIN=path, and PATH has no {OLDEST} or newer with {LANGUAGE_HOST} beside it"
    return Problem("pulumi", fact, "install pulumi, or unset DR_TOOLCHAIN")


def _works(folder: Path) -> bool:
    return version_of(folder / "bin" / "pulumi", "version") == MODULES.version


def _build(folder: Path, report: Report) -> None:
    version = f"-X {SDK}/go/common/version.Version=v{MODULES.version}"
    commands = folder / "bin"
    commands.mkdir()
    MODULES.build([f"{CORE}/cmd/pulumi"], version, commands / "pulumi", report)
    shutil.copyfile(MODULES.source(SDK) / "python" / "cmd" / RUNNER, commands / RUNNER)
    (commands / RUNNER).chmod(0o755)


def _download(folder: Path, report: Report) -> None:
    report(f"checking whether pulumi {MODULES.version} can be downloaded", None)
    if not reachable():
        fact = f"its installer did not answer within {REACHABLE_SECONDS:g} s"
        raise Failed(Problem("download", fact, "go online, or install pulumi on PATH"))
    from pulumi.automation import PulumiCommand  # takes a second to import
    from semver import VersionInfo

    report(f"downloading pulumi {MODULES.version}", None)
    try:
        PulumiCommand.install(root=str(folder), version=VersionInfo.parse(MODULES.version))
    except subprocess.CalledProcessError as error:
        fact = f"the installer ended with {error.returncode}: {_text(error.output)}"
        raise Failed(Problem("download", fact, "try again, or install pulumi on PATH")) from error
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        raise Failed(Problem("download", f"failed: {error}", "try again, or install pulumi on PATH")) from error


def _text(output: bytes | str | None) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return text.strip()[-500:]


def reachable() -> bool:
    """Whether Pulumi's installer can be downloaded.

    The request runs in a thread: its timeout does not cover a name server that does not answer.
    """
    answers: list[int] = []

    def request() -> None:
        head = urllib.request.Request(INSTALLER, method="HEAD")
        try:
            with urllib.request.urlopen(head, timeout=REACHABLE_SECONDS) as answer:  # noqa: S310 (a constant)
                answers.append(answer.status)
        except (OSError, HTTPException):
            return

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(REACHABLE_SECONDS)
    return answers == [200]


ENGINE: Tool[Toolchain] = Tool(
    subject=MODULES.subject,
    release=_release,
    minutes=7.0,
    open=_open,
    works=_works,
    ways={"download": (_download, "downloaded"), "build": (_build, "built")},
    installed=Installed(_on_path, _missing),
)
"""Pulumi's engine."""
