"""Which region serves and since when, from measurements."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dr.operations.measurements import Measurements, Sample
from dr.operations.promises import serving_text
from dr.operations.serving import Records, serving

START = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
EAST, WEST = "us-east-1", "us-west-2"
WARM = Records(EAST, WEST, recovery_weight=0, recovery_expected=True, automatic=True)


def series(*values: float | None, every: int = 20) -> list[Sample]:
    """Samples from 12:00:00 on; None for a sample that is missing."""
    taken = ((START + timedelta(seconds=every * index), value) for index, value in enumerate(values))
    return [Sample(at, value) for at, value in taken if value is not None]


def measured(east: list[Sample], west: list[Sample], **levers: list[Sample]) -> Measurements:
    return Measurements({EAST: east, WEST: west}, levers)


def served(seen: Measurements, records: Records = WARM, after: int = 100) -> str:
    """Return the result a number of seconds after 12:00:00, as text."""
    now = START + timedelta(seconds=after)
    return serving_text(serving(seen, records, now), now)


def test_healthy_primary_serves_for_longer_than_the_time_range() -> None:
    assert served(measured(series(1, 1, 1, 1), series(1, 1, 1, 1))) == (
        "us-east-1 for more than 100 s, measured 12:01:00 UTC"
    )


def test_recovery_region_serves_since_the_first_sample_without_the_primary() -> None:
    assert served(measured(series(1, 1, 0, 0, 0), series(1, 1, 1, 1, 1))) == (
        "us-west-2 since 12:00:40 UTC (1 min), measured 12:01:20 UTC"
    )


def test_primary_that_returned_serves_since_its_last_return() -> None:
    assert served(measured(series(1, 0, 0, 1, 1), series(1, 1, 1, 1, 1))).startswith("us-east-1 since 12:01:00 UTC")


def test_both_regions_serve_if_the_recovery_record_has_a_weight() -> None:
    active = replace(WARM, recovery_weight=100)

    assert served(measured(series(1, 1), series(1, 1)), active).startswith("us-east-1 and us-west-2 for")


def test_no_region_serves_if_neither_endpoint_answers() -> None:
    assert served(measured(series(1, 0), series(1, 0))) == "none since 12:00:20 UTC (80 s), measured 12:00:20 UTC"


def test_engaged_lever_moves_traffic_from_a_healthy_primary() -> None:
    engaged = series(0, 1, every=60)

    assert served(measured(series(*[1.0] * 5), series(*[1.0] * 5), engage=engaged)).startswith(
        "us-west-2 since 12:01:00 UTC"
    )


def test_recovery_region_that_is_not_admitted_does_not_serve() -> None:
    manual = replace(WARM, automatic=False)

    assert served(measured(series(0, 0), series(1, 1)), manual).startswith("none for")
    admitted = measured(series(0, 0), series(1, 1), admit=series(1))
    assert served(admitted, manual).startswith("us-west-2 for")


def test_recovery_region_without_replicas_is_not_measured_and_does_not_serve() -> None:
    pilot = replace(WARM, recovery_expected=False)

    assert served(measured(series(1, 1), []), pilot).startswith("us-east-1 for")
    assert served(measured(series(1, 0), []), pilot).startswith("none since 12:00:20 UTC")


@pytest.mark.parametrize(
    ("seen", "after", "text"),
    [
        (measured([], []), 100, "unknown: the prober in us-west-2 has measured nothing"),
        (
            measured(series(1), series(1)),
            181,
            "unknown: the prober in us-west-2 has stopped; last measured 12:00:00 UTC",
        ),
        (
            measured([], series(1)),
            60,
            "unknown: the prober could not measure the endpoint of us-east-1; last measured 12:00:00 UTC",
        ),
        (
            measured(series(0), []),
            60,
            "unknown: the prober could not measure the endpoint of us-west-2; last measured 12:00:00 UTC",
        ),
    ],
)
def test_missing_measurement_is_unknown_with_its_reason(seen: Measurements, after: int, text: str) -> None:
    assert served(seen, after=after) == text


def test_endpoint_that_is_measured_no_more_is_unknown_while_the_other_one_is_measured() -> None:
    gone = series(1, *[None] * 12)

    assert served(measured(gone, series(*[1.0] * 13)), after=250).startswith(
        "unknown: the prober could not measure the endpoint of us-east-1"
    )
