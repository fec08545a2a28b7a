"""What Kubernetes does with pods of dead nodes, where no flag of its own can make it as fast as the rest of the
sandbox.

A pod that says for how long it stays on a node that is not ready or not reachable goes after that time, divided by the
speed: Kubernetes itself would count real seconds, in which a sandbox has long replaced the node. What says nothing gets
Kubernetes' default, which is a flag and scaled there. Pods of a node that is gone are collected after 60 modelled
seconds: pod garbage collection's quarantine of 40 s, and its period of 20 s (kubernetes, pkg/controller/podgc).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sandbox.clusters.api import Api, Thing, Watched
from sandbox.clusters.nodes import pod_path
from sandbox.control_plane.commands import TOLERATION_SECONDS

ORPHAN_SECONDS = 60.0


def stays(pod: Thing, taints: list[Mapping[str, Any]]) -> float | None:
    """For how many seconds a pod stays under taints that evict, by what it says itself; None where it stays for good.

    Args:
        pod: The pod.
        taints: All of a node.
    """
    least: float | None = None
    for taint in taints:
        if taint["effect"] != "NoExecute":
            continue
        matching = [each for each in pod["spec"].get("tolerations", ()) if _tolerates(each, taint)]
        said = [float(each["tolerationSeconds"]) for each in matching if "tolerationSeconds" in each]
        # One that names no time tolerates it for good; without any the pod is evicted at once, by Kubernetes.
        if said and len(said) == len(matching):
            least = min(said) if least is None else min(least, *said)
    return least


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    return (
        toleration.get("key") in (None, taint["key"])
        and toleration.get("effect") in (None, "", taint["effect"])
        and (toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))
    )


class Evictions:
    """Pods of dead nodes, and of nodes that are gone.

    Args:
        api: The cluster's API server.
        nodes: Its nodes, watched.
        pods: Its pods, watched.
        speed: How many modelled seconds pass in one.
    """

    def __init__(self, api: Api, nodes: Watched, pods: Watched, speed: float) -> None:
        self._api, self._nodes, self._pods, self._speed = api, nodes, pods, speed
        self._default = max(1, round(TOLERATION_SECONDS / speed))
        self._tainted: dict[str, float] = {}
        self._orphans: dict[str, float] = {}

    def step(self) -> None:
        """Do what is due. Raises what `Api.call` raises."""
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
                seconds = stays(pod, taints[where])
                if seconds not in (None, self._default) and now - self._tainted[where] >= seconds / self._speed:
                    self._api.remove(pod_path(about))
        self._orphans = orphans
