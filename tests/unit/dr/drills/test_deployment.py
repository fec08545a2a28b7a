"""The deployment of a serving tier during a drill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from dr.control import local_state
from dr.drills import deployment
from dr.drills.deployment import Deployment
from dr.errors import Failed, Invalid
from dr.topology.tiers import CLUSTER_CREATION, Tier

CONFIGURATION = "encryptionsalt: v1:salt\nconfig:\n  dr:tier: backup\n  dr:role: recovery\n"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Place:
    """An environment of which the clock advances by its speed at each look."""

    boot_speed = 60.0

    def __init__(self, events: list[Any]) -> None:
        self._now, self._speed, self._events = NOON, 1.0, events

    def now(self) -> datetime:
        self._now += timedelta(seconds=self._speed)
        return self._now

    def run_at(self, speed: float) -> None:
        self._speed = speed
        self._events.append(speed)


class Stack:
    """A stack that records its updates."""

    name = "dr"

    def __init__(self, project: Path, events: list[Any]) -> None:
        self.project, self._events = project, events

    def update(self, configuration: Path | None = None) -> None:
        self._events.append(yaml.safe_load(configuration.read_text()) if configuration else "own")


@pytest.fixture
def events() -> list[Any]:
    return []


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[Any]) -> Deployment:
    monkeypatch.setattr(local_state, "folder", lambda: tmp_path / "state")
    monkeypatch.setattr(deployment, "POLL_SECONDS", 0.0)
    (tmp_path / "Pulumi.dr.yaml").write_text(CONFIGURATION)
    return Deployment(Stack(tmp_path, events), Place(events), lambda line: None)  # type: ignore[arg-type]


def test_clock_runs_ahead_before_the_update_and_at_the_machines_speed_during_it(
    made: Deployment, events: list[Any]
) -> None:
    began, ended = made.raise_to(Tier.WARM)

    assert events[:2] == [60.0, 1.0]
    assert events[2]["config"] == {"dr:tier": "warm", "dr:role": "recovery"}
    assert ended - began >= CLUSTER_CREATION


def test_copy_keeps_what_encrypts_secrets_and_the_stacks_file_is_unchanged(
    made: Deployment, events: list[Any], tmp_path: Path
) -> None:
    made.raise_to(Tier.WARM)

    assert events[2]["encryptionsalt"] == "v1:salt"
    assert (tmp_path / "Pulumi.dr.yaml").read_text() == CONFIGURATION


def test_stack_is_restored_by_its_own_configuration(made: Deployment, events: list[Any]) -> None:
    made.restore()

    assert events == ["own"]


def test_configuration_that_cannot_be_read_is_named_before_any_update(
    made: Deployment, events: list[Any], tmp_path: Path
) -> None:
    (tmp_path / "Pulumi.dr.yaml").write_text("config: [")
    with pytest.raises(Invalid, match="not valid YAML"):
        made.raise_to(Tier.WARM)
    (tmp_path / "Pulumi.dr.yaml").unlink()
    with pytest.raises(Failed, match="No such file"):
        made.raise_to(Tier.WARM)

    assert events == []
