"""Pods that run this project's own code: identity, code and one confined container. Pure.

The image has Python and boto3, the code comes from a ConfigMap (`components.pod_code`), AWS's credentials from Pod
Identity, settings from the environment. The pod writes nowhere but to a scratch folder in memory, and to AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.kubernetes.inference_spec import confined, environment
from components.kubernetes.labels import OWNED, metadata
from components.pod_code import ENVIRONMENT, MOUNT, PodCode
from dr.errors import Exit

USER = 1000
SCRATCH, SCRATCH_SIZE = "/tmp", "64Mi"  # noqa: S108 - a volume of the pod's own
POOL = {"pool": "system"}
"""Nodes without GPUs: reading, hashing and copying need none, and theirs are inference's."""


@dataclass(frozen=True)
class CodePod:
    """A pod.

    Args:
        name: What its CronJob, service account and container are called.
        namespace: Where it runs.
        image: Python 3.11 or later with boto3.
        code: What it runs.
        variables: Its settings.
        from_pod: Settings that only the pod knows: variable to the path of a field.
        cpu: What it asks for.
        memory: What it asks for, and may not exceed.
        priority: Name of its priority class; None is Kubernetes' own, 0.
    """

    name: str
    namespace: str
    image: str
    code: PodCode
    variables: Mapping[str, str]
    from_pod: Mapping[str, str] = field(default_factory=dict)
    cpu: str = "250m"
    memory: str = "512Mi"
    priority: str | None = None

    @property
    def code_name(self) -> str:
        """Name of the ConfigMap with the code: another one for other code, so that a running pod keeps its own."""
        return f"{self.name}-{self.code.digest[:10]}"


def service_account(pod: CodePod) -> dict[str, Any]:
    """What the pod identity association names; its name is its only link to AWS."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(pod.name, pod.namespace),
        "automountServiceAccountToken": False,
    }


def code(pod: CodePod) -> dict[str, Any]:
    """The code."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(pod.code_name, pod.namespace),
        "immutable": True,
        "data": dict(pod.code.data),
    }


def template(pod: CodePod) -> dict[str, Any]:
    """The template of a Job's pods. A container is never started again in its pod: the Job counts, and decides why."""
    items = [{"key": key, "path": path} for key, path in pod.code.items.items()]
    return {
        "metadata": {"labels": {**OWNED, "app": pod.name}},
        "spec": {
            "serviceAccountName": pod.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "nodeSelector": dict(POOL),
            **({"priorityClassName": pod.priority} if pod.priority else {}),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container(pod)],
            "volumes": [
                {"name": "code", "configMap": {"name": pod.code_name, "items": items}},
                {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": SCRATCH_SIZE}},
            ],
        },
    }


def container(pod: CodePod) -> dict[str, Any]:
    """What runs."""
    given = environment({**ENVIRONMENT, "HOME": SCRATCH, **pod.variables})
    asked = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in pod.from_pod.items()]
    return {
        "name": pod.name,
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(pod.code.command),
        "env": [*given, *asked],
        "resources": {"requests": {"cpu": pod.cpu, "memory": pod.memory}, "limits": {"memory": pod.memory}},
        # What went wrong is in the pod's status, too.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": confined(),
        "volumeMounts": [
            {"name": "code", "mountPath": MOUNT, "readOnly": True},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    }


def failure_policy(pod: CodePod) -> dict[str, Any]:
    """What failed by its input fails again, and ends the Job; what was evicted, or lost its node, has not failed."""
    invalid = {"containerName": pod.name, "operator": "In", "values": [int(Exit.INVALID)]}
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": invalid},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    }
