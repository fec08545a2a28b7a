"""Why something does not become ready: what the scheduler, the kubelet, quotas and admission say of its pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]
Look = Callable[..., list[dict[str, Any]]]
MOST = 6
"""So many reasons are shown; the most frequent come first."""


def explain(live: Object, look: Look) -> list[str]:
    """What stands in the way, each said once with the number of pods it holds for."""
    namespace = live["metadata"].get("namespace", "")
    if not namespace:
        return []
    pods = [live] if live["kind"] == "Pod" else _pods(live, look)
    counted = Counter(reason for pod in pods for reason in _of_pod(pod))
    reasons = [f"{count} pods: {reason}" if count > 1 else reason for reason, count in counted.most_common(MOST)]
    owners = {live["metadata"]["name"], *(_sets(live, look) if live["kind"] == "Deployment" else ())}
    events = look("v1", "Event", namespace, fieldSelector="type=Warning")
    said = {
        f"{event.get('reason')}: {event.get('message')}"
        for event in events
        if event["involvedObject"].get("name") in owners and event["involvedObject"].get("kind") != "Pod"
    }
    return [*reasons, *sorted(said)[:MOST]]


def _pods(live: Object, look: Look) -> list[dict[str, Any]]:
    selector = (live.get("spec") or {}).get("selector") or {}
    # A Service and a ReplicationController select by labels alone, all others by a label selector.
    labels = selector.get("matchLabels") if "matchLabels" in selector else selector
    if not labels or not all(isinstance(value, str) for value in labels.values()):
        return []
    query = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return look("v1", "Pod", live["metadata"]["namespace"], labelSelector=query)


def _sets(live: Object, look: Look) -> list[str]:
    """The names of a Deployment's ReplicaSets: it is they that are refused a pod."""
    found = look("apps/v1", "ReplicaSet", live["metadata"]["namespace"])
    owner = live["metadata"]["uid"]
    return [
        each["metadata"]["name"]
        for each in found
        if any(reference["uid"] == owner for reference in each["metadata"].get("ownerReferences", []))
    ]


def _of_pod(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield f"{condition.get('reason')}: {condition.get('message')}"
    if pod["spec"].get("nodeName") and not status.get("containerStatuses"):
        yield f"is on node {pod['spec']['nodeName']}, whose kubelet has not taken it up"
    first, main = status.get("initContainerStatuses") or [], status.get("containerStatuses") or []
    for container in (*first, *main):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") and waiting["reason"] not in ("ContainerCreating", "PodInitializing"):
            yield f"container {container['name']}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
        elif ended.get("exitCode"):
            told = f"{ended.get('reason', '')}: {ended.get('message', '')}".strip(": ")
            yield f"container {container['name']} ended with exit code {ended['exitCode']}: {told}".rstrip(": ")
        elif "running" in state and container in first:
            yield f"init container {container['name']} runs"
        elif "running" in state and not container.get("ready"):
            yield f"container {container['name']} runs and does not pass its readiness probe"
