"""Objects around the pods of inference: service account, code, network policy, disruption budget, autoscaler. Pure.

Outputs are passed on unchanged. Disruption budget and autoscaler are the same with and without replicas. Without pods
a disruption budget blocks nothing, and an autoscaler is inactive while its target has `replicas: 0`. So a region is
scaled up by one field of the Deployment, by `pulumi up` or by hand, and is protected from its first replica.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.kubernetes.alert_rules import BUDGET
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.labels import APP, ISTIO, SERVING, fixed_config_map, metadata
from components.kubernetes.namespace_spec import in_namespace, policy
from components.kubernetes.proxy_spec import CONFIG_FILE
from components.traffic.inference_endpoint import SERVING_PORT
from dr.topology.serving import SERVER, SERVICE

BALANCER_CLASS = "ml-dr/target-group-binding"
"""A class that no controller claims. With a known class, or none, a controller would create a load balancer that is
deleted with the cluster."""
CPU_TARGET = 60
"""Percent of the server's CPU request. Replicas for the peak are calculated; this covers unforeseen load."""
SCALE_DOWN_SECONDS = 600
"""A replica takes minutes to load, so it is removed only after it was not needed for as long."""


def code(spec: InferenceSpec) -> dict[str, Any]:
    """Return the ConfigMap with the init container's code; its name changes with the code."""
    return fixed_config_map(spec.code_name, SERVING, spec.code.data)


def proxy(spec: InferenceSpec) -> dict[str, Any]:
    """Return the ConfigMap with the proxy's configuration; its name changes with the configuration."""
    return fixed_config_map(spec.proxy_name, SERVING, {CONFIG_FILE: spec.proxy.text})


def service() -> dict[str, Any]:
    """Return the Service. Pulumi owns its load balancer, so no controller sets its status, and nothing waits for it."""
    annotations = {"service.kubernetes.io/topology-mode": "Auto", "pulumi.com/skipAwait": "true"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(SERVICE, SERVING, annotations=annotations),
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": BALANCER_CLASS,
            "externalTrafficPolicy": "Local",
            # The load balancer targets pod IPs, so node ports are not needed.
            "allocateLoadBalancerNodePorts": False,
            "selector": dict(APP),
            "ports": [{"name": "http", "port": SERVING_PORT, "targetPort": SERVING_PORT, "protocol": "TCP"}],
        },
    }


def binding(target_group_arn: Any) -> dict[str, Any]:
    """Return the TargetGroupBinding, which registers ready pods in the target group.

    `networking` is not set: Pulumi creates the ingress rule, and the controller's role may not change security groups.
    With it, the controller would fail before registering pods.
    """
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": metadata(SERVICE, SERVING),
        "spec": {
            "serviceRef": {"name": SERVICE, "port": SERVING_PORT},
            "targetGroupARN": target_group_arn,
            "targetType": "ip",
        },
    }


def budget(spec: InferenceSpec) -> dict[str, Any]:
    """Return the disruption budget: a drain removes no more replicas than the loss of a zone would.

    Pods that are not ready may always be evicted.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(BUDGET, SERVING),
        "spec": {
            "minAvailable": spec.capacity.min_available,
            "selector": {"matchLabels": dict(APP)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def autoscaler(spec: InferenceSpec) -> dict[str, Any]:
    """Return the autoscaler, from the tier's floor to the region's maximum; bounds hold even without metrics."""
    target = {"type": "Utilization", "averageUtilization": CPU_TARGET}
    metric = {"name": "cpu", "container": SERVER, "target": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(SERVICE, SERVING),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": SERVICE},
            "minReplicas": spec.capacity.replicas,
            "maxReplicas": spec.capacity.max_replicas,
            "metrics": [{"type": "ContainerResource", "containerResource": metric}],
            "behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 0},
                # One replica at a time, to keep the zones balanced.
                "scaleDown": {
                    "stabilizationWindowSeconds": SCALE_DOWN_SECONDS,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
    }


def ingress_policy(balancer_blocks: Sequence[str], mesh: bool) -> dict[str, Any]:
    """Return the NetworkPolicy: ingress from the load balancer's subnets and, with a mesh, from callers in the mesh."""
    ports = [{"protocol": "TCP", "port": SERVING_PORT}]
    callers: list[Mapping[str, Any]] = [{"ipBlock": {"cidr": block}} for block in balancer_blocks]
    if mesh:
        callers += [
            {"namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}}},
            {"namespaceSelector": in_namespace(ISTIO)},
        ]
    return policy(SERVICE, SERVING, APP, ingress=[{"from": callers, "ports": ports}])
