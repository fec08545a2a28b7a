"""Writes of a drill: a numbered object a second in the primary region, and which of them the recovery region has."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dr.clients import calls, client, object_keys
from dr.drills.document import LostWrite
from dr.errors import DrError

PREFIX = "drill/"
EVERY_SECONDS = 1.0
BATCH = 1000
"""Objects of one call of DeleteObjects."""


@dataclass(frozen=True)
class Write:
    """A write that the primary region acknowledged.

    Args:
        key: Key of the object.
        acknowledged: Time of the acknowledgement, by the machine's clock.
        survived: Whether the recovery region has it; None if that is unknown.
    """

    key: str
    acknowledged: datetime
    survived: bool | None = None

    def line(self, bucket: str) -> str:
        """Return the write as a line of JSON, with its line break.

        Args:
            bucket: Bucket that it was written to.
        """
        at = self.acknowledged.isoformat(timespec="milliseconds")
        return json.dumps({"name": f"s3://{bucket}/{self.key}", "acknowledged": at, "survived": self.survived}) + "\n"


class Writer:
    """Writes an object a second until it is stopped. A write that fails is not acknowledged, and is no loss.

    Args:
        region: The primary region.
        bucket: A bucket there that is replicated to the recovery region.
        run: ID of the drill's run.
    """

    def __init__(self, region: str, bucket: str, run: str) -> None:
        self._region, self._bucket, self._prefix = region, bucket, f"{PREFIX}{run}/"
        self._lock = threading.Lock()
        self._acknowledged: list[Write] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="writes", daemon=True)

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def stop(self) -> list[Write]:
        """Stop, and return the acknowledged writes."""
        self._ended.set()
        self._thread.join()
        return self.acknowledged()

    def acknowledged(self) -> list[Write]:
        """Return the acknowledged writes so far."""
        with self._lock:
            return list(self._acknowledged)

    def _write(self) -> None:
        number = 0
        while not self._ended.is_set():
            began = time.monotonic()
            key = f"{self._prefix}{number:06}"
            with suppress(DrError), calls(f"s3://{self._bucket}/{key}", self._region):
                client("s3", self._region).put_object(Bucket=self._bucket, Key=key, Body=str(number).encode())
                with self._lock:
                    self._acknowledged.append(Write(key, datetime.now(UTC)))
            number += 1
            self._ended.wait(max(0.0, EVERY_SECONDS - (time.monotonic() - began)))


def judged(region: str, bucket: str, run: str, writes: Iterable[Write]) -> list[Write]:
    """Return the writes with what the recovery region has of them.

    Args:
        region: The recovery region.
        bucket: The replica of the bucket that was written to.
        run: ID of the drill's run.
        writes: The acknowledged writes.

    Raises:
        Unreachable: The region does not answer.
        Failed: It refused the call.
    """
    present = set(object_keys(region, bucket, f"{PREFIX}{run}/"))
    return [replace(each, survived=each.key in present) for each in writes]


def lost(writes: Iterable[Write], bucket: str, fault: datetime) -> tuple[LostWrite, ...]:
    """Return the acknowledged writes that did not survive, oldest first. Pure.

    Args:
        writes: The writes.
        bucket: Bucket that they were written to.
        fault: Time of the fault, by the machine's clock.
    """
    missing = sorted((each for each in writes if each.survived is False), key=lambda each: each.acknowledged)
    return tuple(
        LostWrite(
            f"s3://{bucket}/{each.key}",
            each.acknowledged.isoformat(timespec="milliseconds"),
            round((fault - each.acknowledged).total_seconds(), 3),
        )
        for each in missing
    )


def recovery_point(writes: Sequence[Write], fault: datetime) -> float | None:
    """Return the age at the fault of the oldest lost write, in seconds. Pure.

    Args:
        writes: The writes.
        fault: Time of the fault, by the machine's clock.

    Returns:
        0 if none was lost; None if there was no write, or it is unknown what survived.
    """
    if not writes or any(each.survived is None for each in writes):
        return None
    ages = [(fault - each.acknowledged).total_seconds() for each in writes if not each.survived]
    # A write that was acknowledged while the fault took effect is a loss of the same instant.
    return round(max([0.0, *ages]), 3)


def remove(region: str, bucket: str, run: str) -> None:
    """Delete the objects of a drill. Raises as `judged`."""
    keys = object_keys(region, bucket, f"{PREFIX}{run}/")
    with calls(f"s3://{bucket}/{PREFIX}{run}/", region):
        for start in range(0, len(keys), BATCH):
            objects: list[dict[str, Any]] = [{"Key": key} for key in keys[start : start + BATCH]]
            client("s3", region).delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
