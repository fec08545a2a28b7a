"""Rules on what runs in a cluster. Pod Security judges pods when they are made; these, before anything is."""

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
"""Where each kind has its pod."""
TYPES = tuple(POD_PATHS)
CONFINED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities.drop": ["ALL"],
}
VERSIONED = re.compile(r"[^/]*[.:][^/]*/.+(:(?!latest(@|$))[\w][\w.-]*|@sha256:[0-9a-f]{64})")
"""A registry, and a version or a digest."""


def containers(workload: Resource) -> Iterator[tuple[str, Any]]:
    """A pod's containers, those that come first included, each with what to call it."""
    pod = workload.look(POD_PATHS[workload.type])
    for kind in ("initContainers", "containers"):
        for container in items(look(pod, kind)):
            yield f'container "{look(container, "name")}"', container


def confined(workload: Resource) -> Facts:
    """No privilege, nothing to write to but volumes, and not as root."""
    pod = workload.look(POD_PATHS[workload.type])
    user = look(pod, "securityContext.runAsNonRoot")
    if pod is not UNKNOWN and user is not UNKNOWN and user is not True:
        yield f"securityContext.runAsNonRoot of the pod is {shown(user)}, not true"
    for named, container in containers(workload):
        for path, wanted in CONFINED.items():
            value = look(container, f"securityContext.{path}")
            if value is not UNKNOWN and value != wanted and UNKNOWN not in items_of(value):
                yield f"{path} of {named} is {shown(value)}, not {shown(wanted)}"


def items_of(value: Any) -> list[Any]:
    """The elements of a list, unknown ones too; of anything else none."""
    return list(value) if isinstance(value, (list, tuple)) else []


def versioned(workload: Resource) -> Facts:
    """The image is one, wherever and whenever it is pulled."""
    for named, container in containers(workload):
        image = look(container, "image")
        if image is not UNKNOWN and not VERSIONED.fullmatch(str(image)):
            yield f"image of {named} is {shown(image)}, without a registry, or without a version and a digest"


RULES = (
    Rule(
        name="kubernetes-container-confined",
        says="A container must have no privilege, no capability, a root file system it cannot write, and not be root.",
        why="one that is taken over then reaches neither its node nor its neighbours",
        remedy="set securityContext of pod and container as Pod Security's restricted asks, and mount what is written",
        types=TYPES,
        check=confined,
    ),
    Rule(
        name="kubernetes-image-versioned",
        says="A container's image must be named with its registry, and by a version or a digest.",
        why="whatever was pushed last would run, and another one on the next node and in the other region",
        remedy="name it as registry/name:version@sha256:...",
        types=TYPES,
        check=versioned,
    ),
)
