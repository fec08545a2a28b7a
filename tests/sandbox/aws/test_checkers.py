"""Consecutive results and the quorum of Route 53's health checkers."""

from __future__ import annotations

import pytest

from sandbox.aws.behaviours.checkers import Checkers, enough

REGIONS = [f"region-{number}" for number in range(8)]


def healthy_after(*rounds: list[bool], threshold: int = 2, reporting: list[str] = REGIONS) -> tuple[int, int]:
    checkers = Checkers(REGIONS)
    for passes in rounds:
        checkers.observe(passes, threshold, reporting)
    return checkers.count(reporting)


def test_a_new_endpoint_counts_as_healthy() -> None:
    assert healthy_after() == (8, 8)


def test_a_checker_changes_its_status_after_consecutive_results_in_both_directions() -> None:
    assert healthy_after([False]) == (8, 8)
    assert healthy_after([False], [True], [False]) == (8, 8)
    assert healthy_after([False], [False]) == (0, 8)
    assert healthy_after([False], [False], [True]) == (0, 8)
    assert healthy_after([False], [False], [True], [True]) == (8, 8)


def test_an_endpoint_without_targets_fails_the_checks() -> None:
    assert healthy_after([], []) == (0, 8)


def test_each_checker_reaches_the_next_target_in_each_round() -> None:
    assert healthy_after([False, True], threshold=1) == (4, 8)
    assert healthy_after([False, True], [False, True]) == (8, 8), "no checker fails twice in a row"


def test_checkers_of_unreachable_regions_do_not_count() -> None:
    assert healthy_after([False], [False], reporting=REGIONS[:5]) == (0, 5)
    assert healthy_after(reporting=[]) == (8, 8)


@pytest.mark.parametrize(("healthy", "of", "met"), [(1, 8, False), (2, 8, True), (18, 100, False), (19, 100, True)])
def test_more_than_18_percent_of_checkers_make_an_endpoint_healthy(healthy: int, of: int, met: bool) -> None:
    assert enough(healthy, of) is met
