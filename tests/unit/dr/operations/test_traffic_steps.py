"""Confirmation of what DNS answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dr.operations import traffic_steps
from dr.operations.clients_dns import Clients
from dr.operations.scene import Scene
from dr.operations.steps import State, Verdict
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import half
from tests.support.scenes import scene

NAME, EAST, WEST = "inference.ml.example.com", "us-east-1", "us-west-2"


def confirmed(role: Role, answers: list[str], monkeypatch: pytest.MonkeyPatch, tier: Tier = Tier.PILOT) -> Verdict:
    """Return the last verdict, with one answer every 30 seconds."""
    times = iter(range(0, 30 * len(answers), 30))
    halves = {Role.PRIMARY: half(), Role.RECOVERY: replace(half(Role.RECOVERY), tier=tier)}
    here = scene(halves=halves, clock=lambda: float(next(times)))
    left = iter(answers)
    monkeypatch.setattr(Scene, "clients", lambda self: Clients(NAME, next(left), ttl=60))
    step = traffic_steps.confirm_dns("confirm-dns", "Confirm", role, ())
    assert step.verify
    verdicts = [step.verify(here) for _ in answers]
    return verdicts[-1]


def test_answer_is_confirmed_once_it_has_lasted_for_a_time_to_live(monkeypatch: pytest.MonkeyPatch) -> None:
    assert confirmed(Role.RECOVERY, [WEST, WEST], monkeypatch).state is State.NEEDED
    found = confirmed(Role.RECOVERY, [WEST] * 3, monkeypatch)

    assert found == Verdict(State.DONE, f"{NAME} leads to {WEST}; no resolver keeps the other answer")


def test_other_answer_starts_the_time_to_live_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found = confirmed(Role.PRIMARY, [EAST, EAST, WEST, EAST], monkeypatch)

    assert found == Verdict(State.NEEDED, f"{EAST} for 0 of 60 s, the time to live")


def test_failback_is_confirmed_by_one_answer_where_both_regions_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    found = confirmed(Role.PRIMARY, [WEST, EAST], monkeypatch, Tier.ACTIVE)

    assert found == Verdict(State.DONE, f"{NAME} leads to {EAST}; in tier active both regions answer")


def test_failover_is_confirmed_by_a_time_to_live_also_where_both_regions_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert confirmed(Role.RECOVERY, [WEST], monkeypatch, Tier.ACTIVE).state is State.NEEDED
