"""Whether an object is ready, by kind, and the wait for it.

Conditions and time-outs: pulumi-kubernetes, provider/pkg/await (awaiters.go and a file a kind, condition/ for waitFor).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox import timings
from sandbox.plugin import UNKNOWN

SECONDS = 600.0
"""The plugin's default time-out."""
Object = Mapping[str, Any]
Look = Callable[..., list[dict[str, Any]]]
"""Lists objects: apiVersion, kind, namespace, and label or field selectors."""


class Failed(Exception):
    """It will not become ready, however long one waits."""


def _status(live: Object) -> Object:
    return live.get("status") or {}


def _condition(live: Object, kind: str) -> Object:
    return next((each for each in _status(live).get("conditions") or [] if each["type"] == kind), {})


def _seen(live: Object) -> Iterator[str]:
    if _status(live).get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        yield "its controller has not seen it yet"


def _counts(live: Object, wanted: int, **fields: str) -> Iterator[str]:
    for words, field in fields.items():
        count = _status(live).get(field, 0)
        if count < wanted:
            yield f"{count} of {wanted} {words.replace('_', ' ')}"


def _deployment(live: Object, look: Look) -> Iterator[str]:
    yield from _seen(live)
    if live["spec"].get("paused"):
        return
    wanted = live["spec"].get("replicas", 1)
    yield from _counts(live, wanted, pods_updated="updatedReplicas", pods_available="availableReplicas")
    old = _status(live).get("replicas", 0) - _status(live).get("updatedReplicas", 0)
    if old > 0:
        yield f"{old} pods of the version before are still there"
    if failure := _condition(live, "ReplicaFailure").get("message"):
        yield str(failure)


def _stateful_set(live: Object, look: Look) -> Iterator[str]:
    yield from _seen(live)
    wanted = live["spec"].get("replicas", 1)
    yield from _counts(live, wanted, pods_ready="readyReplicas")
    if _status(live).get("updateRevision") != _status(live).get("currentRevision"):
        yield from _counts(live, wanted, pods_updated="updatedReplicas")


def _daemon_set(live: Object, look: Look) -> Iterator[str]:
    yield from _seen(live)
    wanted = _status(live).get("desiredNumberScheduled", 0)
    yield from _counts(live, wanted, pods_updated="updatedNumberScheduled", pods_available="numberAvailable")


def _replication_controller(live: Object, look: Look) -> Iterator[str]:
    yield from _seen(live)
    yield from _counts(live, live["spec"].get("replicas", 1), pods="replicas", pods_available="availableReplicas")


def _job(live: Object, look: Look) -> Iterator[str]:
    if _condition(live, "Failed").get("status") == "True":
        failed = _condition(live, "Failed")
        raise Failed(f"the job failed: {failed.get('reason')}: {failed.get('message')}")
    if _condition(live, "Complete").get("status") == "True" or live["spec"].get("suspend"):
        return
    wanted = live["spec"].get("completions", 1)
    yield f"{_status(live).get('succeeded', 0)} of {wanted} completions"


def _pod(live: Object, look: Look) -> Iterator[str]:
    if _status(live).get("phase") == "Failed":
        raise Failed(f"the pod failed: {_status(live).get('reason', '')} {_status(live).get('message', '')}".strip())
    if _status(live).get("phase") != "Succeeded" and _condition(live, "Ready").get("status") != "True":
        yield f"the pod is {_status(live).get('phase', 'Pending')} and not ready"


def _service(live: Object, look: Look) -> Iterator[str]:
    spec, meta = live["spec"], live["metadata"]
    if spec.get("type") == "ExternalName" or not spec.get("selector"):
        return
    if spec.get("clusterIP") != "None":
        label = f"kubernetes.io/service-name={meta['name']}"
        slices = look("discovery.k8s.io/v1", "EndpointSlice", meta["namespace"], labelSelector=label)
        if not any(each.get("endpoints") for each in slices):
            yield "no pod matches its selector"
    if spec.get("type") == "LoadBalancer" and not (_status(live).get("loadBalancer") or {}).get("ingress"):
        yield "no load balancer has given it an address"


def _ingress(live: Object, look: Look) -> Iterator[str]:
    if not (_status(live).get("loadBalancer") or {}).get("ingress"):
        yield "no load balancer has given it an address"


def _volume(live: Object, look: Look) -> Iterator[str]:
    if _status(live).get("phase") not in ("Available", "Bound"):
        yield f"the volume is {_status(live).get('phase', 'Pending')}"


def _claim(live: Object, look: Look) -> Iterator[str]:
    if _status(live).get("phase") == "Bound":
        return
    classes = look("storage.k8s.io/v1", "StorageClass", "")
    name = live["spec"].get("storageClassName")
    late = {each["metadata"]["name"] for each in classes if each.get("volumeBindingMode") == "WaitForFirstConsumer"}
    if name not in late:
        yield f"the claim is {_status(live).get('phase', 'Pending')}"


def _quota(live: Object, look: Look) -> Iterator[str]:
    if (live["spec"].get("hard") or {}) != (_status(live).get("hard") or {}):
        yield "its limits are not in force yet"


def _secret(live: Object, look: Look) -> Iterator[str]:
    if live.get("type") == "kubernetes.io/service-account-token" and not live.get("data"):
        yield "no token was written into it"


def _definition(live: Object, look: Look) -> Iterator[str]:
    for kind in ("NamesAccepted", "Established"):
        found = _condition(live, kind)
        if found.get("status") != "True":
            yield f"not {kind}: {found.get('message', 'not looked at yet')}"


READY: dict[str, Callable[[Object, Look], Iterator[str]]] = {
    "apiextensions.k8s.io/v1/CustomResourceDefinition": _definition,
    "apps/v1/DaemonSet": _daemon_set,
    "apps/v1/Deployment": _deployment,
    "apps/v1/StatefulSet": _stateful_set,
    "batch/v1/Job": _job,
    "networking.k8s.io/v1/Ingress": _ingress,
    "v1/PersistentVolume": _volume,
    "v1/PersistentVolumeClaim": _claim,
    "v1/Pod": _pod,
    "v1/ReplicationController": _replication_controller,
    "v1/ResourceQuota": _quota,
    "v1/Secret": _secret,
    "v1/Service": _service,
}
"""By apiVersion/kind. A ServiceAccount has been ready at once since tokens are no longer kept in Secrets (1.24)."""
LOOKED_AT_WHEN_READ = frozenset(
    {
        *("apps/v1/DaemonSet", "apps/v1/Deployment", "apps/v1/StatefulSet"),
        *("batch/v1/Job", "networking.k8s.io/v1/Ingress", "v1/Pod", "v1/Service"),
    }
)
"""Kinds whose refresh says when they are not ready."""


def unready(live: Object, look: Look, wait_for: str = "") -> list[str]:
    """Why an object is not ready; nothing where it is, or where its kind has nothing to wait for.

    Args:
        live: The object.
        look: Lists others.
        wait_for: The annotation `pulumi.com/waitFor`, which takes the place of what the kind would wait for.

    Raises:
        Failed: it never will be.
    """
    if wait_for:
        return [f"{condition} is not so" for condition in _conditions(wait_for) if not _holds(live, condition)]
    check = READY.get(f"{live['apiVersion']}/{live['kind']}")
    return list(check(live, look)) if check else []


CONDITION = re.compile(r"condition=(\w+)(?:=(\w+))?")
JSON_PATH = re.compile(r"jsonpath=\{((?:\.[\w-]+)+)\}(?:=(.*))?")


def wait_for_problem(text: str) -> str:
    """What is wrong with a `pulumi.com/waitFor`, or ""."""
    if not text or text == UNKNOWN:
        return ""
    wrong = [each for each in _conditions(text) if not (CONDITION.fullmatch(each) or JSON_PATH.fullmatch(each))]
    carried = (
        "condition=NAME, condition=NAME=STATUS, jsonpath={.path} and jsonpath={.path}=VALUE, or a JSON list of these"
    )
    return f"not carried by the sandbox: {', '.join(wrong)}; carried are {carried}" if wrong else ""


def _conditions(text: str) -> list[str]:
    if text.startswith("["):
        try:
            return [str(each) for each in json.loads(text)]
        except ValueError:
            return [text]
    return [text]


def _holds(live: Object, condition: str) -> bool:
    if match := CONDITION.fullmatch(condition):
        return str(_condition(live, match[1]).get("status", "")).lower() == (match[2] or "True").lower()
    match = JSON_PATH.fullmatch(condition)
    if match is None:
        return False
    value: Any = live
    for step in match[1].split(".")[1:]:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value is not None if match[2] is None else _text(value) == match[2]


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def stalled(live: Object, waited: float) -> str:
    """That a rollout makes no progress, or "".

    The real controller says so by real time, in which nobody waits here.

    Args:
        live: The object.
        waited: Real seconds since it was applied: what was before says nothing of this rollout.
    """
    progressing = _condition(live, "Progressing")
    if progressing.get("reason", "NewReplicaSetAvailable") == "NewReplicaSetAvailable":
        # Complete; more replicas of the same version are no rollout, and have no deadline.
        return ""
    since = datetime.fromisoformat(progressing["lastUpdateTime"])
    idle = min(waited, (datetime.now(UTC) - since).total_seconds()) * timings.speed()
    limit = live["spec"]["progressDeadlineSeconds"]
    return f"no progress for {idle:.0f} s of the sandbox's time, where {limit} s are allowed" if idle > limit else ""


class Waiting:
    """A wait for one object.

    Args:
        read: Reads the object; None where it is gone.
        look: Lists others.
        explain: Says why it is not ready, beyond what its status has.
        report: Told so, while it goes on.
        stop: Whether to give up.
    """

    FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
    EXPLAIN_AFTER = 3.0

    def __init__(
        self,
        read: Callable[[], dict[str, Any] | None],
        look: Look,
        explain: Callable[[Object], list[str]],
        report: Callable[[str], None],
        stop: Callable[[], bool],
    ) -> None:
        self._read, self._look, self._explain, self._report, self._stop = read, look, explain, report, stop
        self.live: dict[str, Any] = {}
        """The object as it was last seen."""

    def until_ready(self, seconds: float, wait_for: str = "") -> list[str]:
        """Wait. Returns why it did not become ready; nothing if it did."""
        began, pause, said = time.monotonic(), self.FIRST_PAUSE, ""
        while True:
            live = self._read()
            if live is None:
                return ["it was deleted by somebody else"]
            self.live = live
            try:
                reasons = unready(live, self._look, wait_for)
            except Failed as error:
                return [str(error), *self._explain(live)]
            if not reasons:
                return []
            waited = time.monotonic() - began
            why = "the operation was cancelled" if self._stop() else stalled(live, waited)
            if waited > seconds:
                why = why or f"not ready after {seconds:g} s"
            if why:
                return [why, *reasons, *self._explain(live)]
            if waited > self.EXPLAIN_AFTER:
                reasons = [*reasons, *self._explain(live)]
            if (text := "; ".join(reasons)) != said:
                self._report(text)
                said = text
            time.sleep(pause)
            pause = min(pause * 1.5, self.LONGEST_PAUSE)
