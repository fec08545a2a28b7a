"""Istio's rules for callers of inference inside a cluster. Pure (docs/requirements.md, "Mesh").

They act in the callers' proxies: a caller is in a namespace with the label `istio-injection: enabled`. The replicas
have no proxy of their own, because its init container takes what Pod Security's `restricted` denies, and because the
load balancer and its health checks speak to them plainly.

By zone is what locality load balancing does without more words: replicas of the caller's zone first, and others of its
region when outlier detection has ejected those (Istio documentation, "Locality failover": it takes outlier detection).
Another region's replicas are known only to clusters that share a mesh; between regions DNS fails over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.kubernetes.inference_spec import REQUEST_SECONDS
from components.kubernetes.labels import SERVING, metadata
from dr.topology.serving import SERVICE

NAME = "inference-failover"
HOST = f"{SERVICE}.{SERVING}.svc.cluster.local"
MAX_REQUESTS = 1_000
OUTLIERS: Mapping[str, Any] = {
    "consecutive5xxErrors": 3,
    "interval": "10s",
    "baseEjectionTime": "30s",
    # Not more: the half that is left would be asked for twice as much, and be next.
    "maxEjectionPercent": 50,
}
RETRIES: Mapping[str, Any] = {
    "attempts": 1,
    # Only what no replica has begun to answer: a second try of a slow request would double the load that slows it.
    "retryOn": "connect-failure,refused-stream",
    # Another zone's, if the own zone's does not answer.
    "retryRemoteLocalities": True,
}
"""At most one more try, of Istio's two, and none of what an overloaded replica answers."""
MAX_RETRIES = MAX_REQUESTS // 100
"""Tries at one time in a caller, so that all of them failing adds a hundredth."""


def destination_rule(regions: Sequence[str], shared: bool) -> dict[str, Any]:
    """How callers spread over replicas, and which they leave alone.

    Args:
        regions: The project's own regions, two.
        shared: Whether their clusters are one mesh.
    """
    one, other = regions
    pairs = [{"from": one, "to": other}, {"from": other, "to": one}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": metadata(NAME, SERVING),
        "spec": {
            "host": HOST,
            "trafficPolicy": {
                "connectionPool": {
                    "http": {
                        "h2UpgradePolicy": "UPGRADE",
                        "http2MaxRequests": MAX_REQUESTS,
                        "maxRetries": MAX_RETRIES,
                    }
                },
                "loadBalancer": {
                    "simple": "ROUND_ROBIN",
                    "localityLbSetting": {"enabled": True, **({"failover": pairs} if shared else {})},
                },
                "outlierDetection": dict(OUTLIERS),
            },
        },
    }


def virtual_service() -> dict[str, Any]:
    """How long callers wait, whatever was tried, and what they try again."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": metadata(SERVICE, SERVING),
        "spec": {
            "hosts": [HOST],
            "http": [
                {
                    "route": [{"destination": {"host": HOST}}],
                    "timeout": f"{REQUEST_SECONDS}s",
                    "retries": dict(RETRIES),
                }
            ],
        },
    }
