"""Hosts that the emulator answers for besides AWS and endpoints: publishers, and the account's registries."""

from __future__ import annotations

from pathlib import Path

from sandbox.aws.answer import Answer, Connection
from sandbox.aws.faults import Faults
from sandbox.charts.hosts import HOSTS, Publishers
from sandbox.charts.region_registries import HOST, RegionRegistries


class Sites:
    """Publishers and registries. Implements `sandbox.aws.front.Sites`.

    Args:
        folder: Folder of their content.
        faults: Injected faults.
    """

    def __init__(self, folder: Path, faults: Faults) -> None:
        self._publishers = Publishers(folder / "publishers", faults)
        self._registries = RegionRegistries(folder / "registries", faults)

    def knows(self, host: str) -> bool:
        """Return whether a host is one of them, also while it cannot be reached."""
        return host in HOSTS or HOST.fullmatch(host) is not None

    def site(self, host: str) -> Connection | None:
        """Return a connection to a host; None for an unknown one. Raises ConnectionCutError."""
        return self._registries.site(host) or self._publishers.site(host)

    def layer(self, path: str) -> Answer:
        """Return a layer of a registry of the account, by its download URL. Raises ConnectionCutError."""
        return self._registries.layer(path)

    def stop(self) -> None:
        """Stop all registries."""
        self._publishers.stop()
        self._registries.stop()
