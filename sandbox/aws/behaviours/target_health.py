"""A network load balancer's own health checks, which know nothing of Kubernetes.

A target that is new is `initial`; after so many checks in a row as its group asks for it is `healthy` or `unhealthy`,
and changes by the same count. One that was deregistered is `draining` for the group's delay. What a check would find is
told by whoever knows the targets; the status is worked out when somebody looks, from when that last changed.

Simplified: all checkers agree, the first check is at once, and registering takes no time (AWS: up to minutes).
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
    """What the checks of one target found.

    Args:
        port: Of the target.
        answers: Whether it answers now.
        since: When that began, by the monotonic clock.
        before: Its status until then.
        left: When it was deregistered; None while it is registered.
    """

    port: int
    answers: bool
    since: float
    before: str = INITIAL
    left: float | None = None

    def status(self, now: float, up: float, down: float) -> str:
        """Its status.

        Args:
            now: The time.
            up: Seconds of answers that make it healthy.
            down: Seconds without that make it unhealthy.
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
        speed: How many modelled seconds pass in one.
    """

    def __init__(self, group: FakeTargetGroup, speed: float) -> None:
        self._group, self._speed = group, speed
        self._checked: dict[str, Checked] = {}
        self._turn = 0
        self._lock = threading.Lock()

    def look(self, answers: Answers) -> dict[str, str]:
        """Status by target, as of now.

        Args:
            answers: Whether the target of an id would answer a check.
        """
        with self._lock:
            return self._look(answers)

    def _look(self, answers: Answers) -> dict[str, str]:
        now, group = time.monotonic(), self._group
        interval = float(group.health_check_interval_seconds) / self._speed
        up, down = (interval * int(count) for count in (group.healthy_threshold_count, group.unhealthy_threshold_count))
        delay = float(str(group.attributes["deregistration_delay.timeout_seconds"])) / self._speed
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
        """As DescribeTargetHealth tells it: of all targets, or of those that are named."""
        found = self.look(answers)
        asked = [each["Id"] for each in wanted] or list(found)
        return [self._description(id, found.get(id, "unused")) for id in asked]

    def _description(self, id: str, state: str) -> dict[str, Any]:
        one, health = self._checked.get(id), {"State": state}
        port = one.port if one else int(self._group.port)
        if state in REASONS:
            health["Reason"], health["Description"] = REASONS[state]
        return {"Target": {"Id": id, "Port": port}, "HealthCheckPort": str(port), "TargetHealth": health}

    def choose(self, answers: Answers) -> str | None:
        """The next target to connect to, in turn: a healthy one, any where none is, None where none is registered."""
        candidates = self.candidates(answers)
        self._turn += 1
        return candidates[self._turn % len(candidates)] if candidates else None

    def candidates(self, answers: Answers) -> list[str]:
        """Where connections go (ELB user guide, "Health checks for Network Load Balancer target groups": fail open)."""
        found = self.look(answers)
        return [id for id, status in found.items() if status == HEALTHY] or [
            id for id, status in found.items() if status != DRAINING
        ]


def of(group: FakeTargetGroup, speed: float) -> TargetHealth:
    """The checks of a target group, kept with it so that a reset takes them along."""
    kept: TargetHealth | None = vars(group).get("sandbox_health")
    if kept is None:
        kept = vars(group)["sandbox_health"] = TargetHealth(group, speed)
    return kept
