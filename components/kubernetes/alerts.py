"""Alerts: Prometheus alerts of a cluster, and the PodMonitor for inference metrics.

Both objects are in inference's namespace. The chart of Prometheus installs their custom resource definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.kubernetes import alert_rules
from components.kubernetes.alert_rules import NAME, MonitoredWorkloads
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.labels import APP, SERVING, metadata
from dr.topology.serving import SERVICE

SCRAPE_SECONDS = 15
"""Scrape interval in seconds: eight scrapes in the two minutes after which fewer than two replicas are an outage."""


@dataclass(frozen=True)
class AlertsArgs:
    """Arguments of `Alerts`.

    Args:
        access: Access to the cluster.
        workloads: Its monitored workloads.
        after: Resources to wait for: the namespace, and the release with the custom resource definitions.
    """

    access: ClusterAccess
    workloads: MonitoredWorkloads
    after: Sequence[pulumi.Resource] = ()


class Alerts(pulumi.ComponentResource):
    """A PrometheusRule and a PodMonitor."""

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Alerts", name, None, opts)
        for kind, manifest in {"rules": prometheus_rule(args.workloads), "monitor": pod_monitor()}.items():
            args.access.place(self, f"{name}-{kind}", manifest, *args.after)
        self.register_outputs({})


def prometheus_rule(workloads: MonitoredWorkloads) -> dict[str, Any]:
    """Return the rules as a PrometheusRule."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(NAME, SERVING),
        "spec": alert_rules.spec(workloads),
    }


def pod_monitor() -> dict[str, Any]:
    """Return the PodMonitor of all replicas, ready or not; its name is part of the job name in the rules."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(SERVICE, SERVING),
        "spec": {
            "selector": {"matchLabels": dict(APP)},
            "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": f"{SCRAPE_SECONDS}s"}],
        },
    }
