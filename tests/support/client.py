"""The client process of a sandbox, outside both regions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dr.operations import client_log
from dr.operations.client_log import Request
from sandbox.local import ROOT, Local


@contextmanager
def client(local: Local, out: Path, rate: float, *options: str) -> Iterator[Callable[[], list[Request]]]:
    """Run `python -m sandbox client` until the block ends, then SIGTERM it and expect exit code 0.

    Args:
        local: The sandbox.
        out: File of the log.
        rate: Requests a second.
        options: Further options.

    Yields:
        A function that returns the requests logged so far.
    """
    command = [sys.executable, "-m", "sandbox", "client", "--rate", f"{rate:g}", "--out", str(out), *options]
    variables = {**os.environ, "DR_SANDBOX_STATE": str(local.folder), "DR_PROJECT": str(local.project)}
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def logged() -> list[Request]:
        assert process.poll() is None, process.communicate()[0].decode()
        return client_log.parse(out.read_text()) if out.exists() else []

    try:
        yield logged
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate()
        assert process.returncode == 0, said.decode()
    finally:
        process.kill()
        process.wait()
