"""Pods' programs, run from a folder with only the items of their ConfigMap."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.pod_code import PodCode, pod_code

PASSED_ON = ("PATH", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE")


def lay_out(code: PodCode, folder: Path) -> Path:
    """Write the files of a volume with these items."""
    for key, path in code.items.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(code.data[key], "utf-8")
    return folder


@contextmanager
def started(entry: str, folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a pod's program until the block ends.

    Args:
        entry: Name of its entry module.
        folder: An empty folder, for its code and as its working directory.
        environment: Environment variables of its manifest, except PYTHONPATH.
    """
    code = pod_code(entry)
    path = {"PYTHONPATH": str(lay_out(code, folder / "code"))}
    with _started(code.command, folder, {**path, **environment}) as process:
        yield process


def run(entry: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a pod's program to its end; return exit code and log."""
    with started(entry, folder, environment) as process:
        return _ended(process)


def run_command(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a container's command to its end; return exit code and log."""
    with _started(command, folder, environment) as process:
        return _ended(process)


@contextmanager
def _started(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    python, *rest = command
    assert python == "python"
    (folder / "cwd").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-s", *rest],
        cwd=folder / "cwd",
        env={name: os.environ[name] for name in PASSED_ON} | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    log, _ = process.communicate(timeout=60)
    return process.returncode, log
