"""An emulated AWS over real HTTP for every test, and short ways to use it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.aws.emulator import Running, running
from tests.support.buckets import PATIENCE, PRIMARY, RECOVERY, Pair, make_bucket


@pytest.fixture
def aws() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def control(aws: Running) -> Callable[..., Any]:
    """Call the control API: control("GET", "health"); errors come back as the JSON they are."""

    def call(method: str, path: str, content: Any = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
        connection.request(method, f"/_sandbox/{path}", json.dumps(content) if content is not None else None)
        return json.load(connection.getresponse())

    return call


@pytest.fixture
def pair(aws: Running) -> Pair:
    made = Pair(aws.client("s3", PRIMARY), aws.client("s3", RECOVERY))
    make_bucket(made.source, made.names[0])
    make_bucket(made.replica, made.names[1])
    return made


@pytest.fixture
def settle(control: Callable[..., Any]) -> Callable[[], dict[str, int]]:
    """Wait until nothing is left to replicate; the counts then."""

    def wait() -> dict[str, int]:
        deadline = time.monotonic() + PATIENCE
        while (counts := control("GET", "health")["replication"])["pending"]:
            assert time.monotonic() < deadline, counts
            time.sleep(0.01)
        return counts

    return wait
