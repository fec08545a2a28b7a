"""A control plane for one test, without the AWS emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.control_plane.control_plane import ControlPlane
from sandbox.toolchain.kubernetes_binaries import Binaries

UNUSED_TOKENS = "http://127.0.0.1:9/_sandbox/tokens"
"""URL of an authentication webhook that does not answer, so only the sandbox's certificates are accepted."""


@contextmanager
def control_plane_in(folder: Path, binaries: Binaries) -> Iterator[ControlPlane]:
    """Run a control plane until the block ends."""
    plane = ControlPlane("us-east-1", folder, binaries, UNUSED_TOKENS, speed=60)
    plane.start()
    try:
        yield plane
    finally:
        plane.stop()
