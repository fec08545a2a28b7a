"""Errors that operators see, and their exit codes.

There are three families, by who has to act: `Invalid` (correct your input), `Refused` (a guard of this program),
`Failed` (an external failure). Each problem states the fact with its value, the reason, and a remedy. All problems of
one kind are raised together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    """Completed, or every objective is met."""
    FAILED = 1
    """An operation failed, or an objective is missed."""
    INVALID = 2
    """The input is invalid; nothing was changed."""
    REFUSED = 3
    """A guard stopped the command; nothing was changed."""
    UNKNOWN = 4
    """Something could not be measured; it is not assumed to be healthy."""


@dataclass(frozen=True)
class Problem:
    """A problem, with its remedy.

    Args:
        subject: What it concerns: a configuration key, a bucket, a step.
        fact: What is wrong, with the value.
        remedy: What to do, as an imperative.
    """

    subject: str
    fact: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.fact}\n    -> {self.remedy}"


class DrError(Exception):
    """Base class of this project's errors; `problems` holds all problems."""

    exit_code: Exit = Exit.FAILED
    kind = "error"

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError(f"{type(self).__name__} needs at least one problem")
        self.problems = problems
        super().__init__(str(self))

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return f"{self.kind}: {self.problems[0]}"
        listed = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(self.problems, 1))
        return f"{self.kind}: {len(self.problems)} problems\n{listed}"


class Invalid(DrError):
    """The input is invalid: a wrong configuration value, an unknown name, a document of a newer version."""

    exit_code = Exit.INVALID
    kind = "invalid"


class Refused(DrError):
    """A guard stopped the operation before any change."""

    exit_code = Exit.REFUSED
    kind = "refused"


class Failed(DrError):
    """An operation failed: a call failed, or a step did not finish in time."""

    exit_code = Exit.FAILED
    kind = "failed"


class Problems:
    """Collects the errors of several checks and raises them as one."""

    def __init__(self) -> None:
        self._errors: list[DrError] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep an error of this project that the block raises."""
        try:
            yield
        except DrError as error:
            self._errors.append(error)

    def raise_all(self) -> None:
        """Raise what was collected: the error itself, or one error with the problems of all.

        Raises:
            DrError: of the kind that all errors have; of different kinds, `Refused`.
        """
        if not self._errors:
            return
        if len(self._errors) == 1:
            raise self._errors[0]
        kinds = (kind for kind in (Invalid, Failed) if all(isinstance(error, kind) for error in self._errors))
        raise next(kinds, Refused)(*(problem for error in self._errors for problem in error.problems))
