"""Scale-down of Deployments to the minimum of their HorizontalPodAutoscalers.

Kubernetes' controller has no metrics in the sandbox, so it keeps replicas within their bounds and never scales down.
This module scales down after the stabilization window, as if the load had ended. It supports Deployments only.
"""

from __future__ import annotations

import time

from sandbox import timings
from sandbox.clusters.api import Api, Watched

AUTOSCALERS = "/apis/autoscaling/v2/horizontalpodautoscalers"
CONTROLLER = "kube-controller-manager"
"""Field manager of the patch: that of Kubernetes' own autoscaler, so that the field has no other manager."""


class Demand:
    """Scale-down of one cluster's Deployments.

    Args:
        api: Client of the cluster's API server.
        autoscalers: HorizontalPodAutoscalers of the cluster.
        speed: Modelled seconds per real second.
    """

    def __init__(self, api: Api, autoscalers: Watched, speed: float) -> None:
        self._api, self._autoscalers = api, autoscalers
        self._patience = timings.SCALE_DOWN_WINDOW.seconds / speed
        self._above: dict[str, float] = {}

    def step(self) -> None:
        """Scale down Deployments that have been above their minimum for the whole stabilization window."""
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
