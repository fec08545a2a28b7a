"""Pods that run this project's code: service account, ConfigMap and one restricted container. Pure.

The image provides Python and boto3; the code comes from a ConfigMap (`components.pod_code`), AWS credentials from Pod
Identity, settings from environment variables. The pod writes only to a scratch volume in memory, and to AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.kubernetes.inference_spec import environment, restricted_context
from components.kubernetes.labels import OWNED, fixed_config_map
from components.pod_code import ENVIRONMENT, MOUNT, PodCode
from dr.errors import Exit

USER = 1000
SCRATCH, SCRATCH_SIZE = "/tmp", "64Mi"  # noqa: S108 - a volume of the pod's own
POOL = {"pool": "system"}
"""Nodes without GPUs: reading, hashing and copying need none, and GPU nodes are reserved for inference."""


@dataclass(frozen=True)
class CodePod:
    """A pod that runs this project's code.

    Args:
        name: Name of its CronJob, service account and container.
        namespace: Namespace of the pod.
        image: Image with Python 3.11 or later and boto3.
        code: Code of its entry module.
        variables: Environment variables.
        from_pod: Environment variables from fields of the pod: name to field path.
        cpu: CPU request.
        memory: Memory request and limit.
        priority: Name of its priority class; None for the default priority, 0.
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
        """Name of the ConfigMap with the code; it changes with the code, so that a running pod keeps its code."""
        return f"{self.name}-{self.code.digest[:10]}"


def code(pod: CodePod) -> dict[str, Any]:
    """Return the ConfigMap with the code."""
    return fixed_config_map(pod.code_name, pod.namespace, pod.code.data)


def template(pod: CodePod) -> dict[str, Any]:
    """Return a Job's pod template. Containers are not restarted: the Job counts failures and decides on retries."""
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
    """Return the container."""
    settings = environment({**ENVIRONMENT, "HOME": SCRATCH, **pod.variables})
    fields = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in pod.from_pod.items()]
    return {
        "name": pod.name,
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(pod.code.command),
        "env": [*settings, *fields],
        "resources": {"requests": {"cpu": pod.cpu, "memory": pod.memory}, "limits": {"memory": pod.memory}},
        # Copies the end of the log into the pod's status after a failure.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": restricted_context(),
        "volumeMounts": [
            {"name": "code", "mountPath": MOUNT, "readOnly": True},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    }


def failure_policy(pod: CodePod) -> dict[str, Any]:
    """Return the failure policy: invalid input fails the Job at once; evictions and lost nodes do not count."""
    invalid = {"containerName": pod.name, "operator": "In", "values": [int(Exit.INVALID)]}
    return {
        "rules": [
            {"action": "FailJob", "onExitCodes": invalid},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    }
