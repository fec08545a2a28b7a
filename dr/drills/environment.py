"""What a drill needs of the place in which it runs: faults, a clock, and clients outside both regions.

Only a sandbox makes a whole region unreachable without harm. Its control API is called by HTTP, below the endpoint of
the AWS APIs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dr.clients import CHECK_SANDBOX, IN_SANDBOX
from dr.drills.catalog import ISOLATION
from dr.drills.timeline import Pace
from dr.errors import Failed, Problem, Refused

ANSWER_SECONDS = 30.0
"""Time limit of a call of the control API; a step of the clock runs what is due in it first."""
CLIENT_RATE = 10
"""Requests a second of the clients: the gap between two of them is the largest error of a recovery time."""
STOP_SECONDS = 15.0
"""Time limit for the clients to end: that of their last requests, and to start an interpreter on a busy machine."""


class Sandbox:
    """The sandbox in which this process runs.

    Args:
        endpoint: URL of its AWS endpoint.
        folder: Folder of its state.
    """

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._control, self.folder = f"{endpoint.rstrip('/')}/_sandbox", folder
        self.boot_speed = float(self._ask("GET", "clock")["durations"])
        """Speed at which modelled durations pass that do not follow the clock, such as the boot of an instance."""
        self.paces: list[Pace] = [self._pace()]

    def fault(self, content: Mapping[str, object]) -> None:
        """Inject a fault. Raises Failed if the sandbox does not answer."""
        self._ask("POST", "faults", content)

    def repair(self) -> None:
        """End all faults. Raises as `fault`."""
        self._ask("DELETE", "faults")

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults. Raises as `fault`."""
        return list(self._ask("GET", "faults"))

    def sql(self, region: str, cluster: str, text: str) -> str:
        """Run SQL on the server of a database cluster, whatever the region's faults, and return its rows, one a line.

        Raises:
            Failed: The environment runs no server for the cluster, or the SQL failed.
        """
        return str(self._ask("POST", "databases", {"region": region, "cluster": cluster, "sql": text})["output"])

    def run_at(self, speed: float, targets: bool = False) -> None:
        """Set the speed of the clock. Raises as `fault`.

        Args:
            speed: Seconds of the clock in a second of the machine.
            targets: Whether the load balancers' health checks of targets follow the clock. Otherwise they pass at
                `boot_speed`.
        """
        if self.paces[-1].speed != speed:
            self._ask("POST", "clock", {"speed": speed, "follow": True, "targets": targets})
            self.paces.append(self._pace())

    def time_at(self, machine: datetime) -> datetime:
        """Return the clock's time at a time of the machine, between the start of the drill and now."""
        return Pace.of(self.paces, machine).at(machine)

    def now(self) -> datetime:
        """Return the clock's time."""
        return self.time_at(datetime.now(UTC))

    def seconds(self) -> float:
        """Return the clock's time as a number of seconds."""
        return self.now().timestamp()

    def start_clients(self, log: Path, limit: float) -> Clients:
        """Start clients outside both regions, which log every answer.

        Args:
            log: File of the log; it must not exist.
            limit: Seconds after which they give up on a step of a connection.
        """
        command = [sys.executable, "-m", "sandbox", "client", "--rate", str(CLIENT_RATE), "--out", str(log)]
        command += ["--timeout", str(limit)]
        errors = log.with_suffix(".errors").open("w", encoding="utf-8")
        with errors:
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=errors, cwd=Path(__file__).parents[2], start_new_session=True
            )
        return Clients(process, log, Path(errors.name))

    def _pace(self) -> Pace:
        asked = datetime.now(UTC)
        found = self._ask("GET", "clock")
        at = asked + (datetime.now(UTC) - asked) / 2
        return Pace(at, at + timedelta(seconds=float(found["ahead"])), float(found["speed"]))

    def _ask(self, method: str, path: str, content: object = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self._control}/{path}", data=data, method=method)  # noqa: S310 - loopback
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError) as error:
            fact = f"its control API does not answer {method} {path}: {error}"
            raise Failed(Problem("the sandbox", fact, CHECK_SANDBOX)) from error


class Clients:
    """The running clients.

    Args:
        process: Their process.
        log: Their log.
        errors: What they print on their standard error.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path, errors: Path) -> None:
        self._process, self._log, self._errors = process, log, errors

    @property
    def pid(self) -> int:
        """ID of the process."""
        return self._process.pid

    def text(self) -> str:
        """Return the log so far.

        Raises:
            Failed: The clients have ended.
        """
        if self._process.poll() is not None:
            said = self._errors.read_text(encoding="utf-8").strip() or f"exit code {self._process.returncode}"
            raise Failed(Problem("the clients", f"they have ended: {said}", "fix the reported problem; drill again"))
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def stop(self) -> None:
        """Send no more requests, and wait for the answers to those that were sent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def in_sandbox() -> bool:
    """Return whether this process uses a sandbox."""
    return bool(os.environ.get(IN_SANDBOX) and os.environ.get("AWS_ENDPOINT_URL"))


def sandbox(drill: str) -> Sandbox:
    """Return the sandbox of this process.

    Args:
        drill: Name of the drill, for the message.

    Raises:
        Refused: This process does not use a sandbox.
        Failed: The sandbox does not answer.
    """
    folder, endpoint = os.environ.get(IN_SANDBOX), os.environ.get("AWS_ENDPOINT_URL")
    if not folder or not endpoint:
        fact = "it makes a region unreachable for everybody, and this shell uses AWS"
        remedy = f"`make up`, then `make shell`, and this command there; on AWS, `dr drill {ISOLATION}`"
        raise Refused(Problem(f"drill {drill}", fact, remedy))
    return Sandbox(endpoint, Path(folder))
