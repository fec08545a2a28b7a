"""Programs under test do not wait for rollouts, since the cloud in memory has no clusters, and find `dr` on PATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dr.clients import Unreachable
from dr.clusters import rollout_wait
from dr.clusters.rollouts import Counts, Phase, Rollout
from dr.errors import Problem
from dr.preflight import delegation

COMPLETE = Rollout(Phase.COMPLETE, Counts(6, 6, 6, 0, 6), rolled_out=True)


@pytest.fixture(autouse=True)
def followed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Record the arguments of each wait for a rollout; every rollout is complete."""
    waits: list[tuple[Any, ...]] = []

    def wait(*args: Any) -> Rollout:
        waits.append(args)
        return COMPLETE

    if request.path.name != "test_rollout_wait.py":
        monkeypatch.setattr(rollout_wait, "wait", wait)
    return waits


@pytest.fixture(autouse=True)
def _dr_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put `dr` of this checkout on PATH, as README.md says."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


@pytest.fixture(autouse=True)
def _no_dns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the zone exist, and DNS not answer, as without a network."""

    def silent(domain: str) -> set[str]:
        raise Unreachable(Problem(domain, "DNS does not answer", "check the network"))

    if request.path.name != "test_delegation.py":
        monkeypatch.setattr(delegation, "parent_servers", silent)
        monkeypatch.setattr(delegation, "_zones", lambda subject: ["Z0ZONE"])
        monkeypatch.setattr(delegation, "_servers_of", lambda *_: {"ns-1.example.com"})
