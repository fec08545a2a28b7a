"""Health checks of a network load balancer, which are independent of Kubernetes.

A new target is `initial`. After the group's number of equal checks in a row it becomes `healthy` or `unhealthy`. A
deregistered target is `draining` for the group's delay. The caller knows whether a target answers; the status is
calculated when it is read, from the time of the last change.

Simplified: all checkers agree, the first check runs at once, and registering takes no time (AWS: up to minutes).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.elbv2.models import FakeTargetGroup

INITIAL, HEALTHY, UNHEALTHY, DRAINING = "initial", "healthy", "unhealthy", "draining"
REASONS = {
    INITIAL: ("Elb.InitialHealthChecking", "Initial health checks in progress"),
    UNHEALTHY: ("Target.FailedHealthChecks", "Health checks failed"),
    DRAINING: ("Target.DeregistrationInProgress", "Target deregistration is in progress"),
    "unused": ("Target.NotRegistered", "Target is not registered to the target group"),
}
"""Codes and descriptions (Elastic Load Balancing API reference, TargetHealth)."""
Answers = Callable[[str], bool]


@dataclass
class Checked:
    """Results of the checks of one target.

    Args:
        port: Port of the target.
        answers: Whether it answers now.
        since: Since when, by the monotonic clock in seconds.
        before: Status until then.
        left: When it was deregistered, by the same clock; None while it is registered.
    """

    port: int
    answers: bool
    since: float
    before: str = INITIAL
    left: float | None = None

    def status(self, now: float, up: float, down: float) -> str:
        """The target's status.

        Args:
            now: The time, by the monotonic clock in seconds.
            up: Seconds of answers until it is healthy.
            down: Seconds without answers until it is unhealthy.
        """
        if self.left is not None:
            return DRAINING
        needed = up if self.answers else down
        if now - self.since >= needed:
            return HEALTHY if self.answers else UNHEALTHY
        return self.before


class TargetHealth:
    """The checks of one target group.

    Args:
        group: The target group.
        speed: Modelled seconds per real second. A change counts for checks that are under way, too.
    """

    def __init__(self, group: FakeTargetGroup, speed: float) -> None:
        self._group, self.speed = group, speed
        self._checked: dict[str, Checked] = {}
        self._turn = 0
        self._lock = threading.Lock()

    def look(self, answers: Answers) -> dict[str, str]:
        """Current status by target.

        Args:
            answers: Whether the target with an id would answer a check.
        """
        with self._lock:
            return self._look(answers)

    def _look(self, answers: Answers) -> dict[str, str]:
        now, group = time.monotonic(), self._group
        interval = float(group.health_check_interval_seconds) / self.speed
        up, down = (interval * int(count) for count in (group.healthy_threshold_count, group.unhealthy_threshold_count))
        delay = float(str(group.attributes["deregistration_delay.timeout_seconds"])) / self.speed
        targets = dict(group.targets)
        for id, target in targets.items():
            one = self._checked.get(id)
            if one is None or one.left is not None:
                self._checked[id] = Checked(int(target["Port"]), answers(id), now)
            elif one.answers is not answers(id):
                one.before, one.answers, one.since = one.status(now, up, down), not one.answers, now
        for id in [id for id in self._checked if id not in targets]:
            one = self._checked[id]
            one.left = now if one.left is None else one.left
            if now - one.left >= delay:
                del self._checked[id]
        return {id: one.status(now, up, down) for id, one in self._checked.items()}

    def describe(self, answers: Answers, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Describe all targets, or the named ones, as DescribeTargetHealth does."""
        found = self.look(answers)
        chosen = [each["Id"] for each in wanted] or list(found)
        return [self._description(id, found.get(id, "unused")) for id in chosen]

    def _description(self, id: str, state: str) -> dict[str, Any]:
        one, health = self._checked.get(id), {"State": state}
        port = one.port if one else int(self._group.port)
        if state in REASONS:
            health["Reason"], health["Description"] = REASONS[state]
        return {"Target": {"Id": id, "Port": port}, "HealthCheckPort": str(port), "TargetHealth": health}

    def choose(self, answers: Answers) -> str | None:
        """The target of the next connection, in turn among the candidates; None without targets."""
        candidates = self.candidates(answers)
        self._turn += 1
        return candidates[self._turn % len(candidates)] if candidates else None

    def candidates(self, answers: Answers) -> list[str]:
        """Healthy targets; without any, all registered targets.

        Source: ELB user guide, "Health checks for Network Load Balancer target groups": fail open.
        """
        found = self.look(answers)
        return [id for id, status in found.items() if status == HEALTHY] or [
            id for id, status in found.items() if status != DRAINING
        ]


def of(group: FakeTargetGroup, speed: float) -> TargetHealth:
    """The checks of a target group, kept with it, so that a reset drops them."""
    kept: TargetHealth | None = vars(group).get("sandbox_health")
    if kept is None:
        kept = vars(group)["sandbox_health"] = TargetHealth(group, speed)
    kept.speed = speed
    return kept
