"""Readiness of worker fleets, judged from what EC2 and Auto Scaling describe."""

from __future__ import annotations

from typing import Any

import pytest

from dr.findings import Status
from dr.operations.readiness_workers import judge_image, judge_size
from dr.operations.worker_steps import WorkerGroup
from dr.topology.workers import Fleet, Sizes

REGION = "us-west-2"
FLEET = Fleet("batch", "ami-0123456789abcdef0", ("m6i.large", "m5.large"))
COPY = {
    "ImageId": "ami-copy",
    "State": "available",
    "SourceImageId": FLEET.image,
    "CreationDate": "2026-11-28T12:00:00.000Z",
}
GROUP = WorkerGroup("batch", "ml-dr-workers-batch", Sizes(2, 6), 2, 2, "lt-1", "1")


def test_available_copy_of_the_present_image_is_met() -> None:
    found = judge_image(FLEET, COPY, REGION)

    assert (found.status, found.measured) == (Status.MET, "ami-copy, copied 2026-11-28")


@pytest.mark.parametrize(
    ("changes", "status", "fact"),
    [
        ({"State": "pending"}, Status.MISSED, "ami-copy is pending"),
        ({"State": "failed"}, Status.MISSED, "ami-copy is failed"),
        ({"SourceImageId": "ami-old"}, Status.MISSED, "ami-copy is a copy of ami-old"),
        ({"SourceImageId": None}, Status.UNKNOWN, "ami-copy has no recorded source"),
    ],
)
def test_copy_with_one_difference_is_not_met(changes: dict[str, Any], status: Status, fact: str) -> None:
    found = judge_image(FLEET, {**COPY, **changes}, REGION)

    assert (found.status, found.measured) == (status, fact)


def test_image_that_does_not_exist_is_missed() -> None:
    assert judge_image(FLEET, None, REGION).status is Status.MISSED


@pytest.mark.parametrize(
    ("group", "wanted", "status"),
    [
        (GROUP, 2, Status.MET),
        (GROUP, 3, Status.MISSED),
        (WorkerGroup("batch", "g", Sizes(2, 6), 2, 1, "lt-1", "1"), 2, Status.MISSED),
        (WorkerGroup("batch", "g", Sizes(0, 0), 0, 0, "lt-1", "1"), 0, Status.MET),
    ],
)
def test_instances_in_service_are_compared_with_the_tier(group: WorkerGroup, wanted: int, status: Status) -> None:
    assert judge_size(group, wanted, REGION).status is status
