"""Health checks of load balancers, and modelled times."""

from __future__ import annotations

import pytest

from sandbox.aws.behaviours.target_health import Checked
from sandbox.timings import Modelled, speed

UP, DOWN = 20.0, 30.0


@pytest.mark.parametrize(
    ("answers", "before", "after", "expected"),
    [
        (True, "initial", 19.9, "initial"),
        (True, "initial", 20.0, "healthy"),
        (False, "initial", 29.9, "initial"),
        (False, "initial", 30.0, "unhealthy"),
        (False, "healthy", 29.9, "healthy"),
        (False, "healthy", 30.0, "unhealthy"),
        (True, "unhealthy", 19.9, "unhealthy"),
        (True, "unhealthy", 20.0, "healthy"),
    ],
)
def test_the_status_of_a_target_changes_after_consecutive_checks(
    answers: bool, before: str, after: float, expected: str
) -> None:
    assert Checked(8080, answers, 100.0, before).status(100.0 + after, UP, DOWN) == expected


def test_a_deregistered_target_is_draining() -> None:
    assert Checked(8080, True, 0.0, "healthy", left=50.0).status(51.0, UP, DOWN) == "draining"


def test_a_modelled_time_is_constant_for_a_resource_and_within_its_bounds() -> None:
    figure = Modelled(80, "a source", 120)
    found = {figure.of(f"i-{number}") for number in range(50)}

    assert figure.of("i-1") == figure.of("i-1")
    assert all(80 <= each <= 120 for each in found)
    assert max(found) - min(found) > 20
    assert Modelled(60, "a source").of("i-1") == 60


def test_the_speed_is_a_number_above_0(monkeypatch: pytest.MonkeyPatch) -> None:
    from dr.errors import Invalid

    monkeypatch.delenv("DR_SANDBOX_SPEED", raising=False)
    assert speed() == 60
    monkeypatch.setenv("DR_SANDBOX_SPEED", "1.5")
    assert speed() == 1.5
    for wrong in ("fast", "0", "-1", "inf", "nan"):
        monkeypatch.setenv("DR_SANDBOX_SPEED", wrong)
        with pytest.raises(Invalid, match="is not a valid speed"):
            speed()
