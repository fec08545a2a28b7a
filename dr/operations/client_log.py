"""Log of inference requests as a client saw them, and the outage that it shows. Pure.

A log has one JSON line for each request, in the order of the answers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from dr.errors import Invalid, Problem

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LONGEST_GAP = timedelta(seconds=2)
"""Longest time between two requests of one run, by the client's clock: the largest error that a measured recovery time
may have."""


@dataclass(frozen=True)
class Request:
    """One request and its answer.

    Args:
        number: Number of the request, from 0.
        sent: Time of sending, by the client's clock.
        sent_modelled: The same by the clock of the environment, which a sandbox advances; on AWS equal to `sent`.
        resolver: Number of the client population, each of which has a caching resolver.
        address: IP address that DNS gave; "" if the name did not resolve.
        region: Region of the address; "" if it is unknown.
        status: HTTP status; None without a response.
        seconds: Time from sending to the complete response or the error, by the client's clock.
        seconds_modelled: The same by the clock of the environment.
        version: Version of the model that answered; "" without one.
        right: Whether the answer is the published model's for this input; None if that is unknown.
        error: Reason of a missing response, or of an unknown `right`; "" otherwise.
    """

    number: int
    sent: datetime
    sent_modelled: datetime
    resolver: int
    address: str
    region: str
    status: int | None
    seconds: float
    seconds_modelled: float
    version: str
    right: bool | None
    error: str

    @property
    def failed(self) -> bool:
        """Whether the request got no answer of the model."""
        return self.status != HTTPStatus.OK

    @property
    def good(self) -> bool:
        """Whether the answer is known to be right."""
        return not self.failed and self.right is True

    def line(self) -> str:
        """Return the request as a line of the log, with its line break."""
        return f"{_adapter().dump_json(self).decode()}\n"


class Clock(StrEnum):
    """The clock by which an outage is calculated."""

    MEASURED = "measured"
    MODELLED = "modelled"

    def sent(self, request: Request) -> datetime:
        """Return the time at which a request was sent."""
        return request.sent if self is Clock.MEASURED else request.sent_modelled

    def answered(self, request: Request) -> datetime:
        """Return the time at which the response to a request was complete."""
        seconds = request.seconds if self is Clock.MEASURED else request.seconds_modelled
        return self.sent(request) + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Summary:
    """Numbers of requests.

    Args:
        sent: All requests.
        failed: Requests without an answer of the model.
        wrong: Answers that differ from the published model's.
        unknown: Answers that could not be compared.
        regions: Answers by region.
    """

    sent: int
    failed: int
    wrong: int
    unknown: int
    regions: dict[str, int]


@dataclass(frozen=True)
class Outage:
    """An outage as the client saw it.

    Args:
        fault: Time of the fault.
        first_failure: When the first request after the fault that got no good answer was sent; None without one.
        recovered: When the first good answer of a sustained run arrived; the time of the fault if no request failed;
            None if the log shows no sustained run.
        resolution: Seconds between the first request of the sustained run and the one before it: the service may have
            recovered so much earlier. None without an outage or a recovery.
        relapses: Requests sent after the recovery that got no good answer.
    """

    fault: datetime
    first_failure: datetime | None
    recovered: datetime | None
    resolution: float | None = None
    relapses: int = 0

    @property
    def seconds(self) -> float | None:
        """Seconds from the fault to the recovery; None if the log does not show one."""
        return (self.recovered - self.fault).total_seconds() if self.recovered else None


def parse(text: str) -> list[Request]:
    """Return the requests of a log, in the order of sending. A last line without a line break is ignored.

    Args:
        text: The log. A client that was killed may have written a part of its last line.

    Raises:
        Invalid: Lines are not requests; all of them are reported.
    """
    from pydantic import ValidationError

    found, problems = list[Request](), list[Problem]()
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            found.append(_adapter().validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            fact = f"{field}: {first['msg']}" if field else str(first["msg"])
            problems.append(Problem(f"line {number} of the client log", fact, "use a log as the client wrote it"))
    if problems:
        raise Invalid(*problems)
    return sorted(found, key=lambda request: request.number)


def summary(requests: Iterable[Request]) -> Summary:
    """Count requests."""
    all_requests = list(requests)
    answered = [request for request in all_requests if not request.failed]
    regions = sorted({request.region for request in answered})
    return Summary(
        sent=len(all_requests),
        failed=len(all_requests) - len(answered),
        wrong=sum(request.right is False for request in answered),
        unknown=sum(request.right is None for request in answered),
        regions={region: sum(request.region == region for request in answered) for region in regions},
    )


def outage(requests: Iterable[Request], fault: datetime, sustained: timedelta, clock: Clock = Clock.MEASURED) -> Outage:
    """Return the outage after a fault.

    It ends with the first good answer of a sustained run, which begins after the first failure: good answers before the
    fault has an effect, such as from a cached address, do not count.

    Args:
        requests: The requests of a log.
        fault: Time of the fault, by `clock`.
        sustained: How long all requests must get good answers, by `clock`.
        clock: The clock of all times.
    """
    after = sorted((each for each in requests if clock.sent(each) >= fault), key=clock.sent)
    failing = next((index for index, each in enumerate(after) if not each.good), None)
    if failing is None:
        covered = bool(after) and clock.sent(after[-1]) - fault >= sustained
        return Outage(fault, None, fault if covered else None)
    first_failure = clock.sent(after[failing])
    for start, end in _runs(after, failing):
        first = after[start]
        if clock.sent(after[end]) - clock.sent(first) >= sustained:
            return Outage(
                fault,
                first_failure,
                clock.answered(first),
                (clock.sent(first) - clock.sent(after[start - 1])).total_seconds(),
                sum(not each.good for each in after[end + 1 :]),
            )
    return Outage(fault, first_failure, None)


def _runs(requests: Sequence[Request], start: int) -> Iterator[tuple[int, int]]:
    """Yield first and last index of each run of good answers. A longer gap than `LONGEST_GAP` ends a run."""
    first: int | None = None
    for index in range(start, len(requests)):
        if first is not None:
            gap = requests[index].sent - requests[index - 1].sent
            if not requests[index].good or gap > LONGEST_GAP:
                yield first, index - 1
                first = None
        if first is None and requests[index].good:
            first = index
    if first is not None:
        yield first, len(requests) - 1


@functools.cache
def _adapter() -> TypeAdapter[Any]:
    # Imported here: commands that read no log do not wait for pydantic.
    from pydantic import TypeAdapter

    return TypeAdapter(Request)
