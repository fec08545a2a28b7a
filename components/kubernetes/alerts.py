"""Alerts: what Prometheus alerts on in a cluster, and where it reads inference's own metrics.

Both are beside inference, in its namespace. Their definitions come with the chart of Prometheus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.kubernetes import alert_rules
from components.kubernetes.alert_rules import NAME, Watched
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.labels import APP, SERVING, metadata
from dr.topology.serving import SERVICE

SCRAPE_SECONDS = 15
"""Eight looks in the two minutes after which fewer than two replicas are an outage."""


@dataclass(frozen=True)
class AlertsArgs:
    """Arguments of `Alerts`.

    Args:
        access: The cluster.
        watched: What runs in it.
        after: What it waits for: the namespace, and the release that brings the definitions.
    """

    access: ClusterAccess
    watched: Watched
    after: Sequence[pulumi.Resource] = ()


class Alerts(pulumi.ComponentResource):
    """The rules, and the monitor that they read."""

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Alerts", name, None, opts)
        for what, manifest in {"rules": prometheus_rule(args.watched), "monitor": pod_monitor()}.items():
            args.access.place(self, f"{name}-{what}", manifest, *args.after)
        self.register_outputs({})


def prometheus_rule(watched: Watched) -> dict[str, Any]:
    """The rules as an object."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(NAME, SERVING),
        "spec": alert_rules.spec(watched),
    }


def pod_monitor() -> dict[str, Any]:
    """Every replica's metrics, whether it is ready or not; its name is part of the job's that the rules look for."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": metadata(SERVICE, SERVING),
        "spec": {
            "selector": {"matchLabels": dict(APP)},
            "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "interval": f"{SCRAPE_SECONDS}s"}],
        },
    }
