"""The record of calls that the emulator answered."""

from __future__ import annotations

import datetime
import itertools
import threading
from collections import Counter, deque
from typing import Any

from sandbox.aws.call import Call

CALLS_KEPT = 50_000


class CallRecord:
    """The latest calls, numbered from 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[dict[str, Any]] = deque(maxlen=CALLS_KEPT)
        self._numbers = itertools.count(1)
        self.latest = 0
        self.refused: set[str] = set()
        """Hosts outside this machine that clients tried to reach through the emulator as a proxy."""
        self.hosts: Counter[str] = Counter()
        """Connections to publishers and registries through the emulator as a proxy, by host; also those that failed."""

    def add(self, call: Call, target: str, status: int) -> None:
        """Record a call; status 0 means a cut connection."""
        entry = {
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "service": call.service,
            "operation": call.operation,
            "region": call.region,
            "target": target,
            "status": status,
            "agent": call.environ.get("HTTP_USER_AGENT", ""),
        }
        with self._lock:
            self.latest = next(self._numbers)
            self._calls.append({"n": self.latest} | entry)

    def since(self, number: int) -> dict[str, Any]:
        """List calls after `number`; `next` is the number for the next request."""
        with self._lock:
            # Numbers are consecutive, so the answer is the end of the deque.
            wanted = max(0, min(self.latest - number, len(self._calls)))
            calls = list(itertools.islice(reversed(self._calls), wanted))[::-1]
            return {"next": self.latest, "calls": calls}
