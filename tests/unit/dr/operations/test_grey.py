"""The finding about inference of a region that is to serve."""

from __future__ import annotations

import pytest

from dr.findings import Status
from dr.operations import grey
from dr.operations.grey import Seen


@pytest.mark.parametrize(
    ("seen", "status", "measured"),
    [
        (Seen(True, False, "answered 200; 6 of 6 answered"), Status.MET, "answered 200; 6 of 6 answered"),
        (Seen(True, True, "answered 200, but 3 of 6 failed"), Status.MISSED, "answered 200, but 3 of 6 failed"),
        (Seen(True, None, "no token"), Status.INFO, "no token"),
        (
            Seen(False, None, "answered 503"),
            Status.INFO,
            "not measured: readiness, asked by this machine: answered 503",
        ),
    ],
)
def test_inference_is_missed_only_if_it_fails_where_readiness_answers(
    seen: Seen, status: Status, measured: str
) -> None:
    found = grey.finding("us-east-1", seen, 2)

    assert (found.name, found.status, found.measured) == ("inference in us-east-1", status, measured)
    assert bool(found.hint) is (status is Status.MISSED)
