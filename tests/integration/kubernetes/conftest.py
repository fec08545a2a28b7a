"""A real control plane, shared by the tests of a process: each works in a namespace, and on nodes, of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.kubernetes.binaries import Binaries, ensure_binaries
from sandbox.kubernetes.control_plane import ControlPlane
from tests.support.control_plane import control_plane_in

PATIENCE_SECONDS = 60.0


def wait_for(condition: Callable[[], Any]) -> Any:
    """The condition's answer, once it is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return ensure_binaries(lambda text, share: None)


@pytest.fixture(scope="session")
def control_plane(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane_in(tmp_path_factory.mktemp("kubernetes"), binaries) as plane:
        yield plane
