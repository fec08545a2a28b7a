"""Checks that run at the same time, with one deadline. A check that has no result then is unknown.

The number of threads is limited, so that memory does not grow with the number of checks. The threads are daemon
threads: a check that hangs does not keep the process alive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from dr.errors import DrError, Failed, Problem
from dr.findings import Finding, Status, unknown
from dr.operations.steps import Report

Subject = TypeVar("Subject")

WORKERS = 32
"""Checks that run at the same time: the connections of a boto3 client (`dr.clients`)."""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One check.

    Args:
        name: Name of its finding, if it fails without one.
        look: Returns the findings. Invalid and Refused are missed findings, Failed is an unknown one.
        objective: What its value is compared with, if it fails without a finding.
    """

    name: str
    look: Callable[[Subject], Iterable[Finding]]
    objective: str = ""


def run(
    checks: Sequence[Check[Subject]],
    subject: Subject,
    seconds: float,
    workers: int = WORKERS,
    report: Report = lambda text, share: None,
) -> list[Finding]:
    """Run checks and return their findings, in the order of the checks.

    Args:
        checks: The checks.
        subject: What they check.
        seconds: Time until the deadline, in seconds.
        workers: Checks that run at the same time.
        report: Called with a text and the completed share, 0 to 1.
    """
    end = time.monotonic() + seconds
    waiting, lock = enumerate(checks), threading.Lock()
    done: SimpleQueue[tuple[int, list[Finding]]] = SimpleQueue()

    def work() -> None:
        while time.monotonic() < end:
            with lock:
                taken = next(waiting, None)
            if taken is None:
                return
            position, check = taken
            done.put((position, list(findings(check, subject))))

    for number in range(min(workers, len(checks))):
        threading.Thread(target=work, name=f"check-{number}", daemon=True).start()
    found: dict[int, list[Finding]] = {}
    while len(found) < len(checks):
        try:
            position, result = done.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            break
        found[position] = result
        report(f"{len(found)} of {len(checks)} checks", len(found) / len(checks))
    late = f"did not finish within {seconds:.1f} s"
    return [
        finding
        for position, check in enumerate(checks)
        for finding in found.get(
            position, [Finding(check.name, Status.UNKNOWN, late, "run the command again", check.objective)]
        )
    ]


def findings(check: Check[Subject], subject: Subject) -> Iterator[Finding]:
    """Yield the findings of one check; an error is a finding, too.

    Args:
        check: The check.
        subject: What it checks.
    """
    try:
        yield from check.look(subject)
    except DrError as error:
        yield from of_error(check, error)
    except Exception as error:  # noqa: BLE001 - a defect in one check must not hide the others' results
        fact, remedy = f"{type(error).__name__}: {error}", "report this defect; other results are not affected"
        yield from of_error(check, Failed(Problem(check.name, fact, remedy)))


def of_error(check: Check[Subject], error: DrError) -> Iterator[Finding]:
    """Yield the findings of an error: unknown if a call failed, else missed.

    Args:
        check: The check.
        error: The error.
    """
    if isinstance(error, Failed):
        found = unknown(check.name, error)
        yield Finding(check.name, found.status, found.measured, found.hint, check.objective)
        return
    for problem in error.problems:
        fact = f"{problem.subject}: {problem.fact}"
        yield Finding(check.name, Status.MISSED, fact, problem.remedy, check.objective)
