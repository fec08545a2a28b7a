"""Pods' programs, started as a manifest has them: from a folder laid out by a ConfigMap's items, and nothing else."""

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
    """What a volume with these items looks like."""
    for key, path in code.items.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(code.data[key], "utf-8")
    return folder


@contextmanager
def started(entry: str, folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A pod's program while it runs; ended with the block.

    Args:
        entry: Its name.
        folder: An empty folder, for its code and as its working directory.
        environment: What its manifest sets, besides where the code is.
    """
    code = pod_code(entry)
    where = {"PYTHONPATH": str(lay_out(code, folder / "code"))}
    with _started(code.command, folder, {**where, **environment}) as process:
        yield process


def run(entry: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """A pod's program until it ends: its exit code and its log."""
    with started(entry, folder, environment) as process:
        return _ended(process)


def run_command(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """A container's command until it ends: its exit code and its log."""
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
