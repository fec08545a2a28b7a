"""Rules on Kubernetes workloads: before deployment, where Pod Security checks only when pods are created."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .model import UNKNOWN, Facts, Resource, Rule, items, look, shown

POD_PATHS = {
    "kubernetes:apps/v1:Deployment": "spec.template.spec",
    "kubernetes:apps/v1:StatefulSet": "spec.template.spec",
    "kubernetes:apps/v1:DaemonSet": "spec.template.spec",
    "kubernetes:batch/v1:Job": "spec.template.spec",
    "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
    "kubernetes:core/v1:Pod": "spec",
}
"""Path of the pod specification, by kind."""
TYPES = tuple(POD_PATHS)
CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities.drop": ["ALL"],
}
VERSIONED = re.compile(r"[^/]*[.:][^/]*/.+(:(?!latest(@|$))[\w][\w.-]*|@sha256:[0-9a-f]{64})")
"""An image name with a registry, and with a version or a digest."""

PASSWORD = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE)
"""A URL with a password (RFC 3986, section 3.2.1)."""


def containers(workload: Resource) -> Iterator[tuple[str, Any]]:
    """Yield a pod's containers, init containers included, each with its label in messages."""
    pod = workload.look(POD_PATHS[workload.type])
    for kind in ("initContainers", "containers"):
        for container in items(look(pod, kind)):
            yield f'container "{look(container, "name")}"', container


def confined(workload: Resource) -> Facts:
    """Check that containers have no privileges, a read-only root file system, and do not run as root."""
    pod = workload.look(POD_PATHS[workload.type])
    user = look(pod, "securityContext.runAsNonRoot")
    if pod is not UNKNOWN and user is not UNKNOWN and user is not True:
        yield f"securityContext.runAsNonRoot of the pod is {shown(user)}, not true"
    for label, container in containers(workload):
        for path, required in CONFINED.items():
            value = look(container, f"securityContext.{path}")
            if value is not UNKNOWN and value != required and UNKNOWN not in items_of(value):
                yield f"{path} of {label} is {shown(value)}, not {shown(required)}"


def items_of(value: Any) -> list[Any]:
    """Return the elements of a list, including unknown ones; none for other values."""
    return list(value) if isinstance(value, (list, tuple)) else []


def versioned(workload: Resource) -> Facts:
    """Check that an image name has a registry and a fixed version."""
    for label, container in containers(workload):
        image = look(container, "image")
        if image is not UNKNOWN and not VERSIONED.fullmatch(str(image)):
            yield f"image of {label} is {shown(image)}, without a registry, or without a version or digest"


def without_passwords(workload: Resource) -> Facts:
    """Check that no URL in a container's command, arguments or environment has a password."""
    for label, container in containers(workload):
        texts = [each for key in ("command", "args") for each in items(look(container, key))]
        texts += [look(each, "value") for each in items(look(container, "env"))]
        for text in texts:
            if isinstance(text, str) and (found := PASSWORD.search(text)):
                yield f"{label} has a URL of {found['scheme']} with a password"


RULES = (
    Rule(
        name="kubernetes-container-confined",
        requirement="A container must be unprivileged, not run as root, and have a read-only root file system.",
        reason="a compromised container then reaches neither its node nor other pods",
        remedy="set securityContext of pod and container as required by Pod Security restricted; write only to volumes",
        types=TYPES,
        check=confined,
    ),
    Rule(
        name="kubernetes-image-versioned",
        requirement="A container image must be named with its registry, and with a version or a digest.",
        reason="otherwise nodes and regions may run different images",
        remedy="use the form registry/name:version@sha256:...",
        types=TYPES,
        check=versioned,
    ),
    Rule(
        name="kubernetes-no-password-in-url",
        requirement="A URL in a container's command, arguments or environment must have no password.",
        reason="everyone who may read the manifest, or Pulumi's state, could use it",
        remedy="let the pod read the password at its start, as dr/pods/database_login.py does",
        types=TYPES,
        check=without_passwords,
    ),
)
