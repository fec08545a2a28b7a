"""A pair of buckets, and a wait for the end of replication."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY, Pair, make_bucket
from tests.support.waiting import wait_for


@pytest.fixture
def pair(aws: Running) -> Pair:
    made = Pair(aws.client("s3", PRIMARY), aws.client("s3", RECOVERY))
    make_bucket(made.source, made.names[0])
    make_bucket(made.replica, made.names[1])
    return made


@pytest.fixture
def settle(control: Callable[..., Any]) -> Callable[[], dict[str, int]]:
    """Wait until no copies are pending, and return the counts."""

    def wait() -> dict[str, int]:
        def counts() -> dict[str, int]:
            return dict(control("GET", "health")["replication"])

        wait_for(lambda: not counts()["pending"], progress=counts, interval_seconds=0.01)
        return counts()

    return wait
