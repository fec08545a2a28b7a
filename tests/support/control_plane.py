"""A control plane of a test's own, without an AWS around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.control_plane.control_plane import ControlPlane
from sandbox.toolchain.kubernetes_binaries import Binaries

NOBODY = "http://127.0.0.1:9/_sandbox/tokens"
"""A webhook that does not answer: only the sandbox's own certificates are let in."""


@contextmanager
def control_plane_in(folder: Path, binaries: Binaries) -> Iterator[ControlPlane]:
    """One that runs while the block does."""
    plane = ControlPlane("us-east-1", folder, binaries, NOBODY, speed=60)
    plane.start()
    try:
        yield plane
    finally:
        plane.stop()
