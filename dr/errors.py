"""The errors an operator can meet, and the exit code of each.

Three families, by who has to act: `Invalid` (your input), `Refused` (a guard of ours), `Failed` (the world).
Each problem states the fact with its value, the reason, and the way out; all problems of one kind are raised together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    """Done, or every objective met."""
    FAILED = 1
    """The world did not do what was asked, or an objective is missed."""
    INVALID = 2
    """The input cannot be used; nothing was touched."""
    REFUSED = 3
    """A guard stopped the command; nothing was touched."""
    UNKNOWN = 4
    """Something could not be measured; it is not assumed to be well."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        subject: What it is about: a configuration key, a bucket, a step.
        fact: What is the case, with the value that was found.
        remedy: The way out, as something a person can do.
    """

    subject: str
    fact: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.fact}\n    -> {self.remedy}"


class DrError(Exception):
    """The root of all errors of this project; `problems` holds every one that was found."""

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
    """The input cannot be used: a wrong configuration value, an unknown name, a document of a newer version."""

    exit_code = Exit.INVALID
    kind = "invalid"


class Refused(DrError):
    """A guard stopped the operation before it touched anything."""

    exit_code = Exit.REFUSED
    kind = "refused"


class Failed(DrError):
    """The world did not do what was asked: a call failed, a step did not finish in time."""

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
