"""Command lines of the programs of a control plane. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.control_plane.certificates import Certificates

EMULATED_VERSION = "1.35"
"""Version of Kubernetes that is emulated: the one that the stacks request from EKS."""

SERVICE_RANGE = "172.20.0.0/16"
"""CIDR block of Services: EKS's default (Amazon EKS API reference, KubernetesNetworkConfigRequest)."""

NODES = "kwok.x-k8s.io/node=fake"
"""Label of nodes for which kwok acts as kubelet; without it, a node's lease is not renewed."""

PLUGINS = "ExtendedResourceToleration"
"""Admission plugins that EKS adds to Kubernetes' defaults (Amazon EKS User Guide, "platform versions")."""

#: Defaults of Kubernetes 1.35, in seconds (reference of kube-controller-manager and kube-apiserver).
MONITOR_SECONDS, MONITOR_GRACE_SECONDS, STARTUP_GRACE_SECONDS = 5.0, 50.0, 60.0
HPA_SYNC_SECONDS, HPA_STABILIZATION_SECONDS, HPA_READINESS_SECONDS = 15.0, 300.0, 30.0
TOLERATION_SECONDS = 300.0
NODES_EVICTED_PER_SECOND, NODES_EVICTED_PER_SECOND_UNHEALTHY = 0.1, 0.01

LEASE_SECONDS = 2
"""Duration of a node's lease, which is renewed four times as often. A shorter one costs too much CPU."""
LEAST_GRACE_SECONDS = 2.0
"""Allows three late renewals on a busy machine. At speeds above 25 a dead node is noticed later than modelled."""

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "disruption-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "horizontal-pod-autoscaler-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
    "validatingadmissionpolicy-status-controller",
)
"""Controllers with an effect in the sandbox; the others need clouds, certificates or legacy tokens."""


@dataclass(frozen=True)
class Ports:
    """Ports of one control plane, on loopback."""

    api: int
    etcd: int
    peer: int
    door: int


@dataclass(frozen=True)
class Plan:
    """Files and ports of one control plane.

    Args:
        folder: Folder of its data and files.
        binaries: Folder of the programs.
        ports: Ports that they listen on.
        webhook: URL of the token review.
        speed: Modelled seconds per real second.
    """

    folder: Path
    binaries: Path
    ports: Ports
    webhook: str
    speed: float

    @property
    def certificates(self) -> Certificates:
        """Its keys and certificates."""
        return Certificates(self.folder / "pki")

    @property
    def access(self) -> Path:
        """File that says whether the door admits callers."""
        return self.folder / "access"

    def kubeconfig(self, user: str) -> Path:
        """A user's kubeconfig."""
        return self.folder / f"{user}.kubeconfig"

    def scaled(self, seconds: float, least: float = 0.05) -> str:
        """The value of a flag for a modelled time in seconds."""
        return f"{max(seconds / self.speed, least):.3f}s"


def foundation(plan: Plan) -> list[dict[str, Any]]:
    """The processes to start first: etcd, kube-apiserver and the relay to it."""
    return [
        _process(plan, "etcd", _etcd(plan), "SIGTERM"),
        _process(plan, "kube-apiserver", _apiserver(plan)),
        _door(plan),
    ]


def controllers(plan: Plan) -> list[dict[str, Any]]:
    """The processes that need a ready API server."""
    return [
        _process(plan, "kube-controller-manager", _controller_manager(plan)),
        _process(plan, "kube-scheduler", {"config": plan.folder / "scheduler.json", "secure-port": 0}),
        _process(plan, "kwok", _kwok(plan)),
    ]


def _process(plan: Plan, name: str, flags: Mapping[str, Any], end: str = "SIGKILL") -> dict[str, Any]:
    """A process as the supervisor expects it. Only etcd has state, so the others are killed."""
    return {
        "name": name,
        "command": [str(plan.binaries / name), *_written(flags)],
        "log": str(plan.folder / f"{name}.log"),
        # Without the user's environment, such as a proxy or a kubeconfig.
        "environment": {"HOME": str(plan.folder)},
        "end": end,
    }


def _door(plan: Plan) -> dict[str, Any]:
    script = str(Path(__file__).with_name("door.py"))
    ports = (str(plan.ports.door), str(plan.ports.api))
    return {
        "name": "door",
        "command": [sys.executable, "-I", "-S", script, *ports, str(plan.access)],
        "log": str(plan.folder / "door.log"),
        "environment": {"HOME": str(plan.folder)},
        "end": "SIGKILL",
    }


def _written(flags: Mapping[str, Any]) -> Iterator[str]:
    for name, value in flags.items():
        yield f"--{name}={str(value).lower() if isinstance(value, bool) else value}"


def _etcd(plan: Plan) -> dict[str, Any]:
    keys, client = plan.certificates, f"https://127.0.0.1:{plan.ports.etcd}"
    peer = f"https://127.0.0.1:{plan.ports.peer}"
    return {
        "name": "sandbox",
        "data-dir": plan.folder / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"sandbox={peer}",
        "cert-file": keys.certificate("etcd"),
        "key-file": keys.key("etcd"),
        "client-cert-auth": True,
        "trusted-ca-file": keys.authority,
        "peer-cert-file": keys.certificate("etcd"),
        "peer-key-file": keys.key("etcd"),
        "peer-client-cert-auth": True,
        "peer-trusted-ca-file": keys.authority,
        "socket-reuse-port": True,  # a socket of the sandbox reserves the port
        "unsafe-no-fsync": True,  # a sandbox may be lost in a power cut
        "log-level": "warn",
    }


def _apiserver(plan: Plan) -> dict[str, Any]:
    keys = plan.certificates
    toleration = max(1, round(TOLERATION_SECONDS / plan.speed))
    return {
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": plan.ports.api,
        "permit-port-sharing": True,
        "emulated-version": EMULATED_VERSION,
        "etcd-servers": f"https://127.0.0.1:{plan.ports.etcd}",
        "etcd-cafile": keys.authority,
        "etcd-certfile": keys.certificate("kube-apiserver-etcd"),
        "etcd-keyfile": keys.key("kube-apiserver-etcd"),
        "tls-cert-file": keys.certificate("kube-apiserver"),
        "tls-private-key-file": keys.key("kube-apiserver"),
        "client-ca-file": keys.authority,
        "anonymous-auth": False,
        "authorization-mode": "RBAC",
        "authentication-token-webhook-config-file": plan.folder / "webhook.json",
        "authentication-token-webhook-version": "v1",
        "authentication-token-webhook-cache-ttl": "5s",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": keys.key("service-account"),  # its public part is used
        "service-account-signing-key-file": keys.key("service-account"),
        "service-cluster-ip-range": SERVICE_RANGE,
        "enable-admission-plugins": PLUGINS,
        "default-not-ready-toleration-seconds": toleration,
        "default-unreachable-toleration-seconds": toleration,
        "endpoint-reconciler-type": "none",  # no pod connects to it as a Service
        "enable-priority-and-fairness": False,
        "profiling": False,
    }


def _controller_manager(plan: Plan) -> dict[str, Any]:
    rate = plan.speed
    return {
        "kubeconfig": plan.kubeconfig("kube-controller-manager"),
        "emulated-version": EMULATED_VERSION,
        "controllers": ",".join(CONTROLLERS),
        "secure-port": 0,
        "leader-elect": False,
        "profiling": False,
        "root-ca-file": plan.certificates.authority,
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        "node-monitor-period": plan.scaled(MONITOR_SECONDS, least=0.1),
        "node-monitor-grace-period": plan.scaled(MONITOR_GRACE_SECONDS, least=LEAST_GRACE_SECONDS),
        "node-startup-grace-period": plan.scaled(STARTUP_GRACE_SECONDS, least=2 * LEAST_GRACE_SECONDS),
        "node-eviction-rate": NODES_EVICTED_PER_SECOND * rate,
        "secondary-node-eviction-rate": NODES_EVICTED_PER_SECOND_UNHEALTHY * rate,
        "horizontal-pod-autoscaler-sync-period": plan.scaled(HPA_SYNC_SECONDS, least=0.5),
        "horizontal-pod-autoscaler-downscale-stabilization": plan.scaled(HPA_STABILIZATION_SECONDS),
        "horizontal-pod-autoscaler-cpu-initialization-period": plan.scaled(HPA_STABILIZATION_SECONDS),
        "horizontal-pod-autoscaler-initial-readiness-delay": plan.scaled(HPA_READINESS_SECONDS),
    }


def _kwok(plan: Plan) -> dict[str, Any]:
    return {
        "kubeconfig": plan.kubeconfig("kwok"),
        "config": plan.folder / "stages.yaml",
        "manage-all-nodes": False,
        # By label, because kwok does not notice the removal of an annotation.
        "manage-nodes-with-label-selector": NODES,
        "node-lease-duration-seconds": LEASE_SECONDS,
        "node-ip": "127.0.0.1",
        "v": "WARN",
    }
