"""Namespaces and their contents: Pod Security, quotas, default limits and network policies. Pure.

Each namespace denies ingress and egress by default. All allow egress to DNS and to the Pod Identity agent, and all but
the drills' over TLS to AWS and the cluster's API. Every network plugin allows the kubelet's probes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.kubernetes.labels import (
    BATCH_PRIORITY,
    DRILL,
    INFERENCE_PRIORITY,
    MONITORING,
    OWNED,
    REGISTRY,
    SERVING,
    TRAINING,
    VELERO,
    metadata,
    service_account,
)
from dr.topology.capacity import Capacity, spread
from dr.topology.serving import SERVICE

POD_IDENTITY_AGENT, POD_IDENTITY_PORT = "169.254.170.23/32", 80
"""Address of the agent that issues credentials (EKS user guide, "Understand how EKS Pod Identity works")."""
METRICS_PORT, VELERO_METRICS_PORT = 8082, 8085
GPU = "nvidia.com/gpu"
POD_SECURITY_MODES = ("enforce", "warn", "audit")
READINESS_GATES = {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}
"""Injects a readiness gate: a pod is ready only when the load balancer's health check passes. Otherwise a rolling
update removes old pods before new ones are registered (AWS Load Balancer Controller guide, "Pod readiness gate")."""


@dataclass(frozen=True)
class NamespaceSpec:
    """Specification of a namespace.

    Args:
        name: The namespace's name.
        security: Pod Security Standard to enforce.
        quota: `hard` of its ResourceQuota.
        default_memory: Memory limit of containers that set none.
        metrics_ports: Ports from which Prometheus reads metrics.
        labels: Additional labels.
        calls_aws: Whether pods may call AWS and the cluster's API.
        accounts: Service accounts of pods that something else than this program starts.
    """

    name: str
    security: str
    quota: Mapping[str, str]
    default_memory: str = "512Mi"
    metrics_ports: Sequence[int] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    calls_aws: bool = True
    accounts: Sequence[str] = ()


def namespaces(capacity: Capacity, zones: int, gpus_per_replica: int) -> list[NamespaceSpec]:
    """Return the namespaces of a cluster.

    Args:
        capacity: The region's maximum numbers of replicas and nodes.
        zones: Number of availability zones.
        gpus_per_replica: GPUs of one replica.
    """
    # Terminating pods count until their grace period ends. Replicas of a lost zone, or the replica that a rolling
    # update replaces, must not block their replacements.
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
            # All GPUs: batch jobs use what inference leaves idle, and inference preempts them by its priority.
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
        # The node agent reads volumes of other pods from the kubelet's mounts, which needs hostPath and root (Velero
        # documentation, "File System Backup"); the stricter standards forbid that.
        NamespaceSpec(
            VELERO,
            "privileged",
            {f"requests.{GPU}": "0", "services.loadbalancers": "0"},
            metrics_ports=(VELERO_METRICS_PORT,),
        ),
        # A drill starts one replica here, which may call what the drill allows (`dr drill region-isolation`).
        NamespaceSpec(
            DRILL,
            "restricted",
            {f"requests.{GPU}": str(gpus_per_replica), "pods": "1", "services.loadbalancers": "0"},
            calls_aws=False,
            accounts=(SERVICE,),
        ),
    ]


def namespace(spec: NamespaceSpec, version: str) -> dict[str, Any]:
    """Return the Namespace. The standard's version is pinned, so that a cluster upgrade does not change its rules."""
    security = {
        f"pod-security.kubernetes.io/{mode}{part}": value
        for mode in POD_SECURITY_MODES
        for part, value in (("", spec.security), ("-version", f"v{version}"))
    }
    labels = {**OWNED, **security, **spec.labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": spec.name, "labels": labels}}


def contents(spec: NamespaceSpec) -> dict[str, dict[str, Any]]:
    """Return the objects in a namespace, by a short name."""
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
        "egress": policy("names-and-aws", spec.name, {}, egress=egress_rules(spec.calls_aws)),
        **({"metrics": metrics_policy(spec)} if spec.metrics_ports else {}),
        **{account: service_account(account, spec.name) for account in spec.accounts},
    }


def egress_rules(calls_aws: bool) -> list[dict[str, Any]]:
    """Return the egress allowed to every pod: DNS, the Pod Identity agent, and TLS to AWS and the cluster's API.

    Port 443 is open to all addresses, because AWS's addresses change, and S3's are public even behind its VPC endpoint.

    Args:
        calls_aws: Whether pods may call AWS and the cluster's API.
    """
    dns = {"namespaceSelector": in_namespace("kube-system"), "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    return [
        {"to": [dns], "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]},
        {"to": [{"ipBlock": {"cidr": POD_IDENTITY_AGENT}}], "ports": [{"protocol": "TCP", "port": POD_IDENTITY_PORT}]},
        *([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]}] * calls_aws),
    ]


def metrics_policy(spec: NamespaceSpec) -> dict[str, Any]:
    """Return the NetworkPolicy that allows Prometheus to read metrics."""
    ports = [{"protocol": "TCP", "port": port} for port in spec.metrics_ports]
    reads = [{"from": [{"namespaceSelector": in_namespace(MONITORING)}], "ports": ports}]
    return policy("metrics", spec.name, {}, ingress=reads)


def in_namespace(name: str) -> dict[str, Any]:
    """Return a selector of a namespace, by the label that Kubernetes sets on each."""
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


def policy(
    name: str,
    space: str,
    selects: Mapping[str, str],
    ingress: list[dict[str, Any]] | None = None,
    egress: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return a NetworkPolicy; a direction that is not None is denied except for its rules."""
    rules = {"ingress": ingress, "egress": egress}
    directions = {direction: rule for direction, rule in rules.items() if rule is not None}
    selector = {"matchLabels": dict(selects)} if selects else {}
    types = [direction.capitalize() for direction in directions]
    spec = {"podSelector": selector, "policyTypes": types, **{key: rule for key, rule in directions.items() if rule}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, space),
        "spec": spec,
    }


def priorities() -> dict[str, dict[str, Any]]:
    """Return the priority classes: inference preempts batch jobs, which preempt no other pod."""
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
            (INFERENCE_PRIORITY, 1_000_000, "PreemptLowerPriority", "Inference; preempts batch jobs"),
            # Below 0, the priority of pods without a class.
            (BATCH_PRIORITY, -1_000, "Never", "Batch jobs, which can be restarted; preempted by any other pod"),
        )
    }
