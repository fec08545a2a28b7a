"""Parallel lookups with one deadline, and a circuit for each region.

A lookup that has no answer at the deadline is unknown; its thread does not keep the process alive. After a region did
not answer once, later lookups in it fail at once with the same error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Generic, TypeVar

from dr.clients import Unreachable
from dr.errors import DrError, Failed, Problem

T = TypeVar("T")


class Pending(Generic[T]):
    """A lookup that runs, or has failed without a call.

    Args:
        subject: Subject of the lookup, for the message.
        place: Region or cluster that it calls.
        lookups: The lookups that it belongs to.
    """

    def __init__(self, subject: str, place: str, lookups: Lookups) -> None:
        self.future: Future[T] = Future()
        self._subject, self._place, self._lookups = subject, place, lookups

    def result(self, by: float | None = None) -> T:
        """Wait for the result, until the deadline.

        Args:
            by: Wait until this time after the start of all lookups, in seconds, if that is before the deadline. The
                place is then still called.

        Raises:
            Unreachable: No answer arrived in time.
            DrError: The lookup failed.
        """
        try:
            return self.future.result(max(0.0, self._lookups.left(by)))
        except TimeoutError as error:
            if self.future.done():
                raise
            fact = f"{self._place} does not answer within {self._lookups.waited:.1f} s"
            remedy = "check the health of the region and your network connection, then run the command again"
            late = Unreachable(Problem(self._subject, fact, remedy))
            if by is None:
                self._lookups.record(self._place, late)
            raise late from error


class Lookups:
    """Lookups of one command.

    Args:
        seconds: Time until the deadline, in seconds.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began, self._seconds = clock, clock(), seconds
        self._open: dict[str, Unreachable] = {}
        self._lock = threading.Lock()

    @property
    def waited(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    def left(self, by: float | None = None) -> float:
        """Return the seconds until the deadline, or until an earlier time after the start."""
        return min(self._seconds, self._seconds if by is None else by) - self.waited

    def failed(self, place: str) -> Unreachable | None:
        """Return the error of the first lookup that a region or a cluster did not answer; None if it answers."""
        with self._lock:
            return self._open.get(place)

    def first(self, pending: Sequence[Pending[T]], by: float) -> T | None:
        """Return the first result, None if there is none in time.

        Args:
            pending: Lookups in different places.
            by: Wait until this time after the start, in seconds.

        Raises:
            DrError: A lookup failed for another reason than a place that does not answer.
        """
        left = {each.future for each in pending}
        while left:
            done, left = wait(left, max(0.0, self.left(by)), FIRST_COMPLETED)
            for future in done:
                try:
                    return future.result()
                except Unreachable:
                    continue
            if not done:
                break
        return None

    def record(self, place: str, error: Unreachable) -> None:
        """Record that a region or a cluster did not answer; the first error is kept."""
        with self._lock:
            self._open.setdefault(place, error)

    def start(self, subject: str, place: str, work: Callable[[], T], after: Pending[Any] | None = None) -> Pending[T]:
        """Start a lookup.

        Args:
            subject: Subject of the lookup, for messages.
            place: Region or cluster that it calls.
            work: Performs the lookup. Raises `Unreachable` if the place does not answer.
            after: A lookup in the same place that has to succeed first.
        """
        pending: Pending[T] = Pending(subject, place, self)

        def run() -> None:
            try:
                if after is not None:
                    after.result()
                if known := self.failed(place):
                    raise known
                pending.future.set_result(work())
            except Unreachable as error:
                self.record(place, error)
                pending.future.set_exception(error)
            except DrError as error:
                pending.future.set_exception(error)
            except Exception as error:  # noqa: BLE001 - a defect in one lookup must not hide all others' results
                fact, remedy = f"{type(error).__name__}: {error}", "report this defect; other values are not affected"
                pending.future.set_exception(Failed(Problem(subject, fact, remedy)))

        threading.Thread(target=run, name=f"lookup {subject}", daemon=True).start()
        return pending
