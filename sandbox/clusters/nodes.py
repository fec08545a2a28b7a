"""Nodes of a cluster: created when an instance has booted, dead while its zone is down, drained before termination.

This module replaces the kubelet, EKS and AWS's cloud controller manager. A node in a zone that is down loses the label
with which kwok acts as its kubelet, so its lease expires. The Node object is deleted with its instance. Draining evicts
pods, which respects disruption budgets, for up to 15 modelled minutes; then the node is deleted (EKS user guide,
"Managed node groups").

Simplified: deleting a node group deletes its nodes without draining, and DaemonSet pods end with their node.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from moto.autoscaling.models import InstanceState
from moto.ec2.models.instance_types import INSTANCE_TYPES

from sandbox import timings
from sandbox.aws.extensions.eks import subnets_of
from sandbox.aws.extensions.eks_nodes import NodeScalingGroup
from sandbox.clusters.api import STRATEGIC, Api, RefusedError, Thing, Watched
from sandbox.clusters.node_objects import KWOK_LABEL, NodeFacts, node, pod_block
from sandbox.clusters.scaling import LEAVING, Scaling

NODES = "/api/v1/nodes"
EVICTION_RETRY_SECONDS = 5.0
"""Delay in seconds between attempts to evict a pod that a disruption budget protects (as in kubectl drain)."""


class Nodes:
    """Nodes of one cluster.

    Args:
        api: Client of the cluster's API server.
        scaling: Auto Scaling groups of the cluster.
        nodes: Nodes of the cluster.
        pods: Pods of the cluster.
        region: Region of the cluster.
        speed: Modelled seconds per real second.
    """

    def __init__(self, api: Api, scaling: Scaling, nodes: Watched, pods: Watched, region: str, speed: float) -> None:
        self._api, self._scaling, self._nodes, self._pods = api, scaling, nodes, pods
        self._region, self._speed = region, speed
        self._drains: dict[str, tuple[float, float]] = {}
        self._made: dict[str, str] = {}

    def step(self) -> None:
        """Create, update, drain and delete nodes by the state of their instances. Raises as `Api.call`."""
        known = {each["metadata"]["name"]: each for each in self._nodes.all()}
        instances = [
            (group, scaled, state) for group, scaled in self._scaling.groups() for state in scaled.instance_states
        ]
        names = {state.instance.private_dns_name for _, _, state in instances}
        for group, scaled, state in instances:
            name = state.instance.private_dns_name
            if name in known:
                self._made.pop(name, None)
                self._keep(known[name], scaled, state)
            elif name not in self._made and self._scaling.ready(state):
                self._join(group, state, known.values())
        for name, each in known.items():
            if name not in names and each["spec"].get("providerID", "").startswith("aws:///"):
                self._api.remove(f"{NODES}/{name}")

    def _join(self, group: Thing, state: InstanceState, others: Iterable[Thing]) -> None:
        instance = state.instance
        (subnet,) = subnets_of(self._region, [str(instance.subnet_id)])
        used = {*(each["spec"].get("podCIDR", "") for each in others), *self._made.values()}
        facts = NodeFacts(
            instance.private_dns_name,
            instance.id,
            str(instance.private_ip),
            str(state.availability_zone),
            INSTANCE_TYPES[instance.instance_type],
            pod_block(subnet.cidr_block, used),
            group,
        )
        self._made[facts.name] = facts.pods
        self._api.call("POST", NODES, node(facts))

    def _keep(self, known: Thing, scaled: NodeScalingGroup, state: InstanceState) -> None:
        """Update a node by the state of its instance; drain the node if the instance will be terminated."""
        name, dead = known["metadata"]["name"], self._scaling.dead(state)
        if dead is (KWOK_LABEL in known["metadata"]["labels"]):
            self._api.patch(f"{NODES}/{name}", {"metadata": {"labels": {KWOK_LABEL: None if dead else "fake"}}})
        if state.lifecycle_state == LEAVING and self._drained(known, state.instance_id):
            self._api.remove(f"{NODES}/{name}")
            self._scaling.give_up(scaled, state, "an instance was taken out of service after it was drained.")
            self._drains.pop(state.instance_id, None)

    def _drained(self, known: Thing, instance: str) -> bool:
        """Cordon a node and evict its pods; return whether the node can be deleted."""
        name, now = known["metadata"]["name"], time.monotonic()
        if instance not in self._drains:
            self._api.patch(f"{NODES}/{name}", {"spec": {"unschedulable": True}}, STRATEGIC)
            self._drains[instance] = (now, 0.0)
        started, again = self._drains[instance]
        left = [pod for pod in self._pods.all() if pod["spec"].get("nodeName") == name and _drains(pod)]
        if not left or now - started >= timings.DRAIN_LIMIT.seconds / self._speed:
            return True
        if now >= again:
            self._drains[instance] = (started, now + EVICTION_RETRY_SECONDS / self._speed)
            for pod in left:
                if "deletionTimestamp" not in pod["metadata"]:
                    self._evict(pod["metadata"])
        return False

    def _evict(self, about: dict[str, Any]) -> None:
        content = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": about["name"], "namespace": about["namespace"]},
        }
        try:
            self._api.call("POST", f"{pod_path(about)}/eviction", content)
        except RefusedError as error:
            # 429: a disruption budget protects the pod. 404: the pod no longer exists.
            if error.status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.NOT_FOUND):
                sys.stderr.write(f"{error}\n")


def pod_path(about: dict[str, Any]) -> str:
    """Return the API path of a pod with this metadata."""
    return f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"


def _drains(pod: Thing) -> bool:
    """Return whether draining evicts a pod; DaemonSet pods and completed pods are not evicted."""
    owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", ())}
    return "DaemonSet" not in owners and pod["status"].get("phase") not in ("Succeeded", "Failed")
