"""Eviction of pods from dead nodes, for delays that no Kubernetes flag scales.

A pod with tolerationSeconds for a node that is not ready or unreachable is deleted after that time, divided by the
speed; Kubernetes would count real seconds. Other pods have Kubernetes' default, a flag that commands.py scales. Pods of
a deleted node are deleted after 60 modelled seconds: the quarantine of 40 s plus the interval of 20 s of pod garbage
collection (kubernetes, pkg/controller/podgc).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.clusters.api import Api, Thing, Watched
from sandbox.clusters.nodes import pod_path
from sandbox.control_plane.commands import TOLERATION_SECONDS

ORPHAN_SECONDS = 60.0


def toleration_seconds(pod: Thing, taints: Sequence[Mapping[str, Any]]) -> float | None:
    """Return how long a pod tolerates a node's taints, in seconds; None if its tolerations have no limit.

    Args:
        pod: The pod.
        taints: All taints of the node.
    """
    least: float | None = None
    for taint in taints:
        if taint["effect"] != "NoExecute":
            continue
        matching = [each for each in pod["spec"].get("tolerations", ()) if _tolerates(each, taint)]
        limits = [float(each["tolerationSeconds"]) for each in matching if "tolerationSeconds" in each]
        # A toleration without tolerationSeconds has no limit. Kubernetes evicts a pod without a toleration at once.
        if limits and len(limits) == len(matching):
            least = min(limits) if least is None else min(least, *limits)
    return least


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    return (
        toleration.get("key") in (None, taint["key"])
        and toleration.get("effect") in (None, "", taint["effect"])
        and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))
    )


class Evictions:
    """Eviction of pods from dead and deleted nodes.

    Args:
        api: Client of the cluster's API server.
        nodes: Nodes of the cluster.
        pods: Pods of the cluster.
        speed: Modelled seconds per real second.
    """

    def __init__(self, api: Api, nodes: Watched, pods: Watched, speed: float) -> None:
        self._api, self._nodes, self._pods, self._speed = api, nodes, pods, speed
        self._default = max(1, round(TOLERATION_SECONDS / speed))
        self._tainted: dict[str, float] = {}
        self._orphans: dict[str, float] = {}

    def step(self) -> None:
        """Delete the pods that are due. Raises as `Api.call`."""
        if not self._nodes.synced.is_set():
            return
        now, nodes = time.monotonic(), {each["metadata"]["name"]: each for each in self._nodes.all()}
        taints = {name: each["spec"].get("taints", []) for name, each in nodes.items()}
        evicting = {name for name, held in taints.items() if any(each["effect"] == "NoExecute" for each in held)}
        self._tainted = {name: self._tainted.get(name, now) for name in evicting}
        orphans: dict[str, float] = {}
        for pod in self._pods.all():
            about, where = pod["metadata"], pod["spec"].get("nodeName", "")
            if where and where not in nodes:
                since = orphans[about["uid"]] = self._orphans.get(about["uid"], now)
                if now - since >= ORPHAN_SECONDS / self._speed:
                    self._api.remove(f"{pod_path(about)}?gracePeriodSeconds=0")
            elif where in evicting and "deletionTimestamp" not in about:
                seconds = toleration_seconds(pod, taints[where])
                if seconds not in (None, self._default) and now - self._tainted[where] >= seconds / self._speed:
                    self._api.remove(pod_path(about))
        self._orphans = orphans
