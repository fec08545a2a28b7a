"""Demand that falls: horizontal autoscalers lower what nobody asks for.

The real controller does it by what it measures. Here nothing is measured, so that it keeps replicas between their
bounds and never lowers them; this stands in for a load that is gone, after the time in which one may come back.
Deployments only.
"""

from __future__ import annotations

import time

from sandbox import timings
from sandbox.clusters.api import Api, Watched

AUTOSCALERS = "/apis/autoscaling/v2/horizontalpodautoscalers"
CONTROLLER = "kube-controller-manager"
"""In whose name: the autoscaler's own, so that nobody else holds the field."""


class Demand:
    """Lowers one cluster's Deployments to their autoscalers' least.

    Args:
        api: The cluster's.
        autoscalers: Its horizontal pod autoscalers, watched.
        speed: How many modelled seconds pass in one.
    """

    def __init__(self, api: Api, autoscalers: Watched, speed: float) -> None:
        self._api, self._autoscalers = api, autoscalers
        self._patience = timings.SCALE_DOWN_WINDOW.seconds / speed
        self._above: dict[str, float] = {}

    def step(self) -> None:
        """Look, and lower what has been above its least for long enough."""
        now, above = time.monotonic(), {}
        for each in self._autoscalers.all():
            spec, target = each["spec"], each["spec"]["scaleTargetRef"]
            if (
                target["kind"] != "Deployment"
                or each.get("status", {}).get("currentReplicas", 0) <= spec["minReplicas"]
            ):
                continue
            path = f"/apis/apps/v1/namespaces/{each['metadata']['namespace']}/deployments/{target['name']}/scale"
            above[path] = self._above.get(path, now)
            if now - above[path] >= self._patience:
                self._api.patch(f"{path}?fieldManager={CONTROLLER}", {"spec": {"replicas": spec["minReplicas"]}})
                above[path] = now
        self._above = above
