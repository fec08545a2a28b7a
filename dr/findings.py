"""Findings of checks and probes: met, missed or unknown. A value that could not be measured is unknown, never met."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from dr.clients import Unreachable
from dr.errors import DrError, Exit


class Status(StrEnum):
    """Status of a finding."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"
    STALE = "stale"
    """Measured too long ago to count as met."""
    INFO = "info"
    """A fact without an objective in the deployed tier."""


@dataclass(frozen=True)
class Finding:
    """Result of one probe or check.

    Args:
        name: Object that was examined.
        status: Whether the objective is met.
        measured: Measured value, as text.
        hint: What the operator can do; "" for nothing.
        objective: What the value is compared with, as text; "" for nothing.
        at: Time of the measurement, ISO 8601; "" for the time of the report.
    """

    name: str
    status: Status
    measured: str
    hint: str = ""
    objective: str = ""
    at: str = ""

    @property
    def passes(self) -> bool:
        """Whether nothing speaks against it: the objective is met, or there is none."""
        return self.status in (Status.MET, Status.INFO)


def measured(name: str, look: Callable[[], Finding]) -> Finding:
    """Run a probe and return its finding; a probe that fails is an unknown finding with the reason."""
    try:
        return look()
    except DrError as error:
        return unknown(name, error)


def unknown(name: str, error: DrError) -> Finding:
    """Return the finding of a probe that failed."""
    problem = error.problems[0]
    fact = problem.fact if isinstance(error, Unreachable) else f"{problem.subject}: {problem.fact}"
    return Finding(name, Status.UNKNOWN, fact, problem.remedy)


def exit_code(findings: Iterable[Finding]) -> Exit:
    """Return FAILED if an objective is missed, else UNKNOWN if a value is unknown or stale, else OK."""
    found = {finding.status for finding in findings}
    if Status.MISSED in found:
        return Exit.FAILED
    return Exit.UNKNOWN if found & {Status.UNKNOWN, Status.STALE} else Exit.OK
