"""Background process of the emulator: start it, find it and stop it by pid."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from dr.errors import Failed, Problem, Refused
from sandbox.local import ROOT, Local, read_json

MODULE = "sandbox.server"
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""URL opener for loopback addresses that ignores the proxy settings of the environment."""

START_SECONDS = 60
STOP_SECONDS = 10


@dataclass(frozen=True)
class Server:
    """A running emulator.

    Args:
        pid: Process ID.
        endpoint: URL of the emulator.
        run: ID of this run; the emulator loses all its state when it stops.
        started: Start time, in ISO 8601 format.
        resolver: Address of the DNS server, host:port.
    """

    pid: int
    endpoint: str
    run: str
    started: str
    resolver: str = ""


def find(local: Local) -> Server | None:
    """Return the running emulator of this folder, or None. A stale file of a killed emulator is ignored."""
    said = read_json(local.emulator)
    if not said:
        return None
    process = _process(said["pid"], local)
    return (
        Server(said["pid"], said["endpoint"], said["id"], said["started"], said.get("resolver", ""))
        if process
        else None
    )


def require(local: Local) -> Server:
    """Return the running emulator of this folder.

    Raises:
        Refused: The emulator is not running.
    """
    server = find(local)
    if server is None:
        raise Refused(Problem("the sandbox", f"it is not running in {local.folder}", "`make up` starts it"))
    return server


def start(local: Local, kubernetes: Path | None = None, owner: int | None = None) -> Server:
    """Start an emulator in the background and wait until it answers; return an emulator that is already running.

    Args:
        local: Folder of the sandbox.
        kubernetes: Folder of the control plane's programs; without it, EKS clusters have no API server.
        owner: ID of the process with which the emulator ends, even if that is killed; None for one that goes on.

    Raises:
        Failed: The emulator exited or did not answer; the message has the end of its log.
    """
    running = find(local)
    if running:
        return running
    local.emulator.unlink(missing_ok=True)
    local.folder.mkdir(parents=True, exist_ok=True)
    with local.log.open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", MODULE, "--state", str(local.folder)),
                *(("--kubernetes", str(kubernetes)) if kubernetes else ()),
                *(("--owner", str(owner)) if owner else ()),
            ],
            cwd=ROOT,
            # Builds of CodeBuild find the sandbox by it.
            env={**os.environ, "DR_SANDBOX_STATE": str(local.folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        server = find(local)
        if server and _answers(server):
            return server
        time.sleep(0.05)
    process.kill()
    process.wait()
    tail = "\n".join(local.log.read_text(errors="replace").splitlines()[-5:]) or "its log is empty"
    raise Failed(Problem("the sandbox's AWS", f"it did not start: {tail}", f"read {local.log}, then `make up` again"))


def stop(local: Local) -> bool:
    """Stop the emulator of this folder by pid. Return whether it was running."""
    server = find(local)
    process = _process(server.pid, local) if server else None
    if process is None:
        local.emulator.unlink(missing_ok=True)
        return False
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    local.emulator.unlink(missing_ok=True)
    return True


def _process(pid: int, local: Local) -> psutil.Process | None:
    """Return the process with this pid if it is an emulator of this folder; None if the pid was reused."""
    try:
        process = psutil.Process(pid)
        command = process.cmdline()
        alive = process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if alive and MODULE in command and str(local.folder) in command else None


def _answers(server: Server) -> bool:
    try:
        with LOOPBACK.open(f"{server.endpoint}/_sandbox/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
