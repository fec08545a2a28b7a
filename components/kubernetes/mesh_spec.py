"""Istio rules for calls to inference from inside the cluster. Pure (docs/requirements.md, "Mesh").

The rules apply in the callers' proxies: callers are in namespaces with the label `istio-injection: enabled`. Replicas
have no proxy, because its init container needs privileges that Pod Security's `restricted` denies, and because the load
balancer and its health checks use plain HTTP.

**HTTP/2.** With `h2UpgradePolicy: UPGRADE`, the callers' proxies speak HTTP/2 to the port at once, without negotiation
(Istio source, `shouldH2Upgrade`). The replica's proxy speaks both versions on its port (`codec_type: AUTO`). MLServer
speaks HTTP/1.1 only, so without the replica's proxy every call in the mesh would fail.

Zone failover is Istio's default locality load balancing: replicas in the caller's zone first, and others of the region
after outlier detection has ejected those (Istio documentation, "Locality failover", which requires outlier detection).
Replicas of another region are visible only within a shared mesh; otherwise DNS fails over between regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.kubernetes.labels import SERVING, metadata
from components.kubernetes.proxy_spec import REQUEST_SECONDS
from dr.topology.serving import SERVICE

NAME = "inference-failover"
HOST = f"{SERVICE}.{SERVING}.svc.cluster.local"
MAX_REQUESTS = 1_000
OUTLIERS: Mapping[str, Any] = {
    "consecutive5xxErrors": 3,
    "interval": "10s",
    "baseEjectionTime": "30s",
    # At most half: the remaining replicas take twice the requests, and would be ejected next.
    "maxEjectionPercent": 50,
}
RETRIES: Mapping[str, Any] = {
    "attempts": 1,
    # Only requests that no replica has started: retrying slow requests would double the load that slows them.
    "retryOn": "connect-failure,refused-stream",
    # Retry in another zone if the own zone does not respond.
    "retryRemoteLocalities": True,
}
"""At most one retry, instead of Istio's default of two, and none after a response of an overloaded replica."""
MAX_RETRIES = MAX_REQUESTS // 100
"""Concurrent retries of a caller: even if all requests fail, retries add one percent of load."""


def destination_rule(regions: Sequence[str], shared: bool) -> dict[str, Any]:
    """Return the DestinationRule: load balancing over replicas, and ejection of failing ones.

    Args:
        regions: Both regions of the project.
        shared: Whether the clusters of both regions form one mesh.
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
    """Return the VirtualService: the callers' timeout, including retries, and which requests are retried."""
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
