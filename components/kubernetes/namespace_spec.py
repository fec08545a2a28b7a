"""Namespaces with what holds in each: Pod Security, quotas, defaults and who may talk to whom. Pure.

Every namespace denies what is not allowed, both ways; all of them may ask for names, for the credentials of their Pod
Identity, and call AWS and the cluster's API over TLS. The kubelet's probes are let in by every network plugin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.kubernetes.labels import (
    BATCH_PRIORITY,
    INFERENCE_PRIORITY,
    MONITORING,
    OWNED,
    REGISTRY,
    SERVING,
    TRAINING,
    VELERO,
    metadata,
)
from dr.topology.capacity import Capacity, spread

POD_IDENTITY_AGENT, POD_IDENTITY_PORT = "169.254.170.23/32", 80
"""Where pods get credentials (EKS user guide, "Understand how EKS Pod Identity works")."""
METRICS_PORT, VELERO_METRICS_PORT = 8082, 8085
GPU = "nvidia.com/gpu"
POD_SECURITY_MODES = ("enforce", "warn", "audit")
READINESS_GATES = {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}
"""A pod is ready only once the load balancer finds it so, or a rolling update would take away the old ones while the
new ones are still being registered (AWS Load Balancer Controller guide, "Pod readiness gate")."""


@dataclass(frozen=True)
class NamespaceSpec:
    """A namespace.

    Args:
        name: Its name.
        security: Pod Security Standard that is enforced.
        quota: ResourceQuota's `hard`.
        default_memory: Memory limit of a container that names none.
        metrics_ports: Where Prometheus may read.
        labels: More labels.
    """

    name: str
    security: str
    quota: Mapping[str, str]
    default_memory: str = "512Mi"
    metrics_ports: Sequence[int] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


def namespaces(capacity: Capacity, zones: int, gpus_per_replica: int) -> list[NamespaceSpec]:
    """The namespaces of a cluster.

    Args:
        capacity: What the region may grow to.
        zones: How many zones it has.
        gpus_per_replica: GPUs of one replica.
    """
    # A pod that is going counts until its grace period ends. A lost zone's replicas, or the one that a rolling update
    # replaces, must not keep out those that come instead of them.
    replicas = capacity.max_replicas + spread(capacity.max_replicas, zones)[0]
    return [
        NamespaceSpec(
            SERVING,
            "restricted",
            {
                f"requests.{GPU}": str(replicas * gpus_per_replica),
                "pods": str(replicas),
                "services.loadbalancers": "1",
                "services.nodeports": "0",
            },
            metrics_ports=(METRICS_PORT,),
            labels=READINESS_GATES,
        ),
        NamespaceSpec(
            TRAINING,
            "restricted",
            # As many GPUs as there are: what inference leaves idle; it takes them back by its priority.
            {
                f"requests.{GPU}": str(capacity.max_replicas * gpus_per_replica),
                "pods": "100",
                "requests.cpu": "64",
                "requests.memory": "256Gi",
                "services.loadbalancers": "0",
            },
            default_memory="2Gi",
        ),
        NamespaceSpec(
            REGISTRY,
            "restricted",
            {
                f"requests.{GPU}": "0",
                "pods": "20",
                "requests.cpu": "8",
                "requests.memory": "16Gi",
                "services.loadbalancers": "0",
            },
        ),
        # Its node agent reads the volumes of other pods where the kubelet mounts them, which takes hostPath and root
        # (Velero documentation, "File System Backup"): no narrower standard admits it.
        NamespaceSpec(
            VELERO,
            "privileged",
            {f"requests.{GPU}": "0", "services.loadbalancers": "0"},
            metrics_ports=(VELERO_METRICS_PORT,),
        ),
    ]


def namespace(spec: NamespaceSpec, version: str) -> dict[str, Any]:
    """The Namespace; the standard is that of one version, so that an upgrade of the cluster changes no rule."""
    security = {
        f"pod-security.kubernetes.io/{mode}{part}": value
        for mode in POD_SECURITY_MODES
        for part, value in (("", spec.security), ("-version", f"v{version}"))
    }
    labels = {**OWNED, **security, **spec.labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": spec.name, "labels": labels}}


def contents(spec: NamespaceSpec) -> dict[str, dict[str, Any]]:
    """What is in a namespace from the first day, by a short name."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata("quota", spec.name),
        "spec": {"hard": dict(spec.quota)},
    }
    limits = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": metadata("defaults", spec.name),
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {"cpu": "100m", "memory": "128Mi"},
                    "default": {"memory": spec.default_memory},
                }
            ]
        },
    }
    return {
        "quota": quota,
        "defaults": limits,
        "deny": policy("default-deny", spec.name, {}, ingress=[], egress=[]),
        "egress": policy("names-and-aws", spec.name, {}, egress=outward()),
        **({"metrics": metrics_policy(spec)} if spec.metrics_ports else {}),
    }


def outward() -> list[dict[str, Any]]:
    """Where every pod may go: names, credentials, and AWS and the cluster's API over TLS.

    AWS's addresses change, and S3's are public ones even through its endpoint in the VPC: so 443 is open to all.
    """
    dns = {"namespaceSelector": in_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return [
        {"to": [dns], "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},
        {"to": [{"ipBlock": {"cidr": POD_IDENTITY_AGENT}}], "ports": [{"protocol": "TCP", "port": POD_IDENTITY_PORT}]},
        {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]},
    ]


def metrics_policy(spec: NamespaceSpec) -> dict[str, Any]:
    """Prometheus reads metrics."""
    ports = [{"protocol": "TCP", "port": port} for port in spec.metrics_ports]
    reads = [{"from": [{"namespaceSelector": in_namespace(MONITORING)}], "ports": ports}]
    return policy("metrics", spec.name, {}, ingress=reads)


def in_namespace(name: str) -> dict[str, Any]:
    """Selects a namespace by the label that Kubernetes gives each."""
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


def policy(
    name: str,
    space: str,
    selects: Mapping[str, str],
    ingress: list[dict[str, Any]] | None = None,
    egress: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A NetworkPolicy; a direction that is given is denied but for what it lists."""
    rules = {"ingress": ingress, "egress": egress}
    given = {direction: rule for direction, rule in rules.items() if rule is not None}
    selector = {"matchLabels": dict(selects)} if selects else {}
    types = [direction.capitalize() for direction in given]
    spec = {"podSelector": selector, "policyTypes": types, **{key: rule for key, rule in given.items() if rule}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, space),
        "spec": spec,
    }


def priorities() -> dict[str, dict[str, Any]]:
    """Inference takes the GPUs of batch jobs when it has none; a batch job takes nobody's."""
    return {
        name: {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": metadata(name),
            "value": value,
            "preemptionPolicy": preempts,
            "description": description,
        }
        for name, value, preempts, description in (
            (INFERENCE_PRIORITY, 1_000_000, "PreemptLowerPriority", "Answers requests: takes a GPU from batch jobs"),
            # Below 0, which is what a pod without a class has.
            (BATCH_PRIORITY, -1_000, "Never", "Can be begun again: gives its GPU to whoever serves"),
        )
    }
