"""The process of a model server, without a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from sandbox.clusters.mlserver import lacking
from sandbox.local import ROOT
from tests.support.waiting import wait_for

STARTER = (
    "from sandbox.clusters.serving import ModelServer; s = ModelServer(); print(s._process.pid, flush=True); input()"
)


@pytest.mark.skipif(bool(lacking()), reason=lacking() or "it can")
def test_a_model_server_ends_with_its_killed_parent() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    server = psutil.Process(int(starter.stdout.readline()))
    os.kill(starter.pid, signal.SIGKILL)
    starter.communicate()

    wait_for(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)
