"""One Kubernetes object while a request of the engine is served: checked, applied, read, deleted.

Follows pulumi-kubernetes, provider/pkg/provider/provider.go and provider/pkg/await/await.go.
"""

from __future__ import annotations

import copy
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes import kinds
from sandbox.kubernetes.awaiting import SECONDS, wait_for_problem
from sandbox.kubernetes.cluster import Cluster, Object, Refused, Served
from sandbox.kubernetes.settings import Settings
from sandbox.plugin import UNKNOWN, SandboxError

MANAGER = "__fieldManager"
OURS = "pulumi.com/"
AUTONAMED = f"{OURS}autonamed"
SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""What the server alone writes into `metadata`."""
ARRIVES_SECONDS = 5.0
"""How long a kind may take to be served after its definition was established."""
POLL_SECONDS = 0.25
SLOW_SECONDS = 2.0
"""After how long a wait is worth a line."""


def annotation(source: Mapping[str, Any], name: str) -> str:
    """One of the annotations that the plugin goes by, or ""."""
    meta = source.get("metadata")
    found = meta.get("annotations") if isinstance(meta, Mapping) else None
    return str(found.get(OURS + name, "")) if isinstance(found, Mapping) else ""


def identity(id: str) -> tuple[str, str]:
    """Namespace and name of an id: `ns/name`, or `name` of what is cluster-wide."""
    namespace, _, name = id.rpartition("/")
    return namespace, name


def id_of(live: Mapping[str, Any]) -> str:
    """The id of an object."""
    meta = live["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


@dataclass(frozen=True)
class Asked:
    """What a request is about.

    Args:
        urn: Of the resource.
        api_version: Of its kind.
        kind: Its kind.
    """

    urn: str
    api_version: str
    kind: str


def checked(
    asked: Asked, name: str, news: Object, olds: Object, namespace: str, namespaced: bool, seed: bytes
) -> tuple[Object, list[tuple[str, str]]]:
    """The inputs completed by kind, name and namespace, and what is wrong with them."""
    inputs = copy.deepcopy(news)
    problems = []
    for field, expected in (("apiVersion", asked.api_version), ("kind", asked.kind)):
        if inputs.setdefault(field, expected) != expected:
            problems.append((field, f"it is {inputs[field]!r}, and the resource type says {expected!r}"))
    meta = inputs.setdefault("metadata", {})
    if not isinstance(meta, dict):
        return inputs, problems
    if "generateName" in meta:
        problems.append(("metadata.generateName", "it does not work with server-side apply; give metadata.name"))
    elif not meta.get("name"):
        old = olds.get("metadata") or {}
        kept = old.get("name") if AUTONAMED in (old.get("annotations") or {}) else None
        digits = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(4)
        meta["name"] = kept or f"{name}-{digits[:8]}"
        meta["annotations"] = {**(meta.get("annotations") or {}), AUTONAMED: "true"}
    if namespaced and not meta.get("namespace"):
        meta["namespace"] = namespace or "default"
    elif not namespaced:
        meta.pop("namespace", None)
    problems += [(f"metadata.annotations[{json_key!r}]", reason) for json_key, reason in _annotations(inputs)]
    return inputs, problems


def _annotations(inputs: Object) -> Iterator[tuple[str, str]]:
    timeout = annotation(inputs, "timeoutSeconds")
    if timeout and timeout != UNKNOWN and not timeout.isdigit():
        yield f"{OURS}timeoutSeconds", f"{timeout!r} is no number of seconds"
    if problem := wait_for_problem(annotation(inputs, "waitFor")):
        yield f"{OURS}waitFor", problem


def pruned(live: Mapping[str, Any]) -> Object:
    """An object without its status and what the server alone writes: what is left could have been asked for."""
    meta = {name: value for name, value in live["metadata"].items() if name not in SERVER_FIELDS}
    return {name: copy.deepcopy(value) for name, value in live.items() if name != "status"} | {"metadata": meta}


class Objects:
    """The objects of one cluster.

    Args:
        cluster: The API server.
        settings: The provider's.
        report: Told what a wait is for.
    """

    def __init__(self, cluster: Cluster, settings: Settings, report: Callable[[str, str], None]) -> None:
        self.cluster, self.settings, self._report = cluster, settings, report

    def served(self, asked: Asked, arrives: bool = False) -> Served | None:
        """How the kind is served; `arrives`: its definition may be seconds old."""
        end = time.monotonic() + (ARRIVES_SECONDS if arrives else 0)
        while True:
            found = self.cluster.served(asked.api_version, asked.kind)
            if found or time.monotonic() >= end:
                return found
            time.sleep(POLL_SECONDS)

    def manager(self, inputs: Mapping[str, Any], state: Mapping[str, Any]) -> str:
        """The name under which the fields are ours: annotated, as before, or new."""
        given = annotation(inputs, "patchFieldManager") or state.get(MANAGER)
        return str(given or f"pulumi-kubernetes-{secrets.token_hex(4)}")

    def live(self, asked: Asked, inputs: Mapping[str, Any]) -> Object | None:
        """The object that the inputs name, as it is."""
        served = self.served(asked)
        meta = inputs["metadata"]
        return self.cluster.get(served, meta.get("namespace", ""), meta["name"]) if served else None

    def apply(
        self, asked: Asked, inputs: Object, manager: str, *, force: bool = False, dry_run: bool = False
    ) -> Object:
        """Server-side apply. A conflict is told with who holds which field.

        Raises:
            SandboxError: the kind is not served, another manager holds a field, or the server refuses.
        """
        served = self.served(asked, arrives=not dry_run)
        if served is None:
            raise SandboxError(
                f"the API server does not serve {asked.api_version} {asked.kind}: "
                "install the definition it comes with first, and let this resource depend on it"
            )
        forced = force or self.settings.patch_force or annotation(inputs, "patchForce") == "true"
        try:
            return self.cluster.apply(served, inputs, manager, force=forced, dry_run=dry_run)
        except Refused as error:
            if error.reason == "Conflict" and error.causes:
                raise SandboxError(_conflict(error)) from error
            raise

    def relinquish(self, asked: Asked, live: Object, manager: str) -> None:
        """Let go of every field that a manager of before holds."""
        meta = {name: live["metadata"][name] for name in ("name", "namespace") if name in live["metadata"]}
        self.apply(asked, {"apiVersion": asked.api_version, "kind": asked.kind, "metadata": meta}, manager)

    def delete(self, asked: Asked, id: str, state: Mapping[str, Any], timeout: float, stop: Callable[[], bool]) -> None:
        """Delete it and wait until it is gone, finalizers included. Gone already, or no longer served, is well.

        Raises:
            SandboxError: it is still there after the time-out; the message says what holds it.
        """
        served = self.served(asked)
        if served is None:
            return
        policy = annotation(state, "deletionPropagationPolicy").capitalize() or "Foreground"
        path = served.path(*identity(id))
        try:
            self.cluster.request("DELETE", path, {"propagationPolicy": policy})
        except Refused as error:
            if error.code == 404:
                return
            raise
        began = time.monotonic()
        waits_for = timeout_seconds(state, timeout)
        while (live := self.cluster.get(served, *identity(id))) is not None:
            waited = time.monotonic() - began
            held = _held_by(live)
            if waited > waits_for or stop():
                why = "the operation was cancelled" if stop() else f"it is still there after {waits_for:g} s"
                raise SandboxError(f"{why}: {held}")
            if waited > SLOW_SECONDS:
                self._report(held, asked.urn)
            time.sleep(POLL_SECONDS)


def timeout_seconds(source: Mapping[str, Any], given: float) -> float:
    """How long to wait: what the engine was told (`customTimeouts`), the annotation, or 10 minutes."""
    annotated = annotation(source, "timeoutSeconds")
    return given or (float(annotated) if annotated.isdigit() else SECONDS)


def _conflict(error: Refused) -> str:
    held = []
    for cause in error.causes:
        manager = re.search(r'conflict with "([^"]+)"', cause.get("message", ""))
        holder = manager[1] if manager else cause.get("message")
        held.append(f"{cause.get('field', '?').lstrip('.')} is held by {holder}")
    return (
        f"another manager holds what this resource sets: {'; '.join(sorted(set(held)))}. Leave the field to it by "
        'removing it from the program, or take it over with the annotation `pulumi.com/patchForce: "true"`'
    )


def _held_by(live: Object) -> str:
    """Why an object that was deleted is still there."""
    reasons = [
        f"{each['reason']}: {each['message']}"
        for each in (live.get("status") or {}).get("conditions") or []
        # A namespace says what is left in it, and whose finalizers hold that.
        if str(each.get("type", "")).startswith("Namespace") and each.get("status") == "True"
    ]
    waiting = [*live["metadata"].get("finalizers", []), *(live.get("spec") or {}).get("finalizers", [])]
    if waiting:
        reasons.append(f"waits for its finalizers: {', '.join(waiting)}")
    if grace := live["metadata"].get("deletionGracePeriodSeconds"):
        reasons.append(f"has {grace} s to end")
    return "; ".join(reasons) or "is being deleted"


def namespaced(served: Served | None, asked: Asked) -> bool:
    """Whether objects of the kind are in a namespace; as far as is known of a kind that is not served yet."""
    return served.namespaced if served else asked.kind not in kinds.CLUSTER_WIDE
