"""Route 53's health checkers of one endpoint: consecutive results and the share of checkers that report it healthy.

Source: Route 53 developer guide, "How Route 53 determines whether a health check is healthy".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

HEALTHY_SHARE = 0.18
"""Share of checkers above which an endpoint is healthy."""


def enough(healthy: int, of: int) -> bool:
    """Return whether so many healthy reports make an endpoint healthy."""
    return healthy > HEALTHY_SHARE * of


class Checkers:
    """The checkers of one health check, one in each region. A new endpoint counts as healthy.

    Args:
        regions: Regions of the checkers.
    """

    def __init__(self, regions: Iterable[str]) -> None:
        self._healthy = dict.fromkeys(regions, True)
        self._contrary = dict.fromkeys(self._healthy, 0)
        self._round = 0

    def observe(self, passes: Sequence[bool], threshold: int, reporting: Collection[str]) -> None:
        """Record one check by each checker that reports.

        Args:
            passes: Whether a connection to each of the endpoint's targets passes. A checker opens a new connection for
                each check, which the load balancer routes to the next target.
            threshold: Consecutive results that change a checker's status: `FailureThreshold`, in both directions.
            reporting: Regions whose checkers report.
        """
        for number, region in enumerate(self._healthy):
            if region not in reporting:
                continue
            passed = bool(passes) and passes[(self._round + number) % len(passes)]
            self._contrary[region] = 0 if passed is self._healthy[region] else self._contrary[region] + 1
            if self._contrary[region] >= threshold:
                self._healthy[region], self._contrary[region] = passed, 0
        self._round += 1

    def count(self, reporting: Collection[str]) -> tuple[int, int]:
        """Return how many checkers report the endpoint healthy, and how many report. All count if none reports."""
        held = [self._healthy[region] for region in self._healthy if region in reporting] or [*self._healthy.values()]
        return sum(held), len(held)
