"""What is around the pods of inference: identity, code, way in, budget and autoscaler. Pure but for Outputs passed on.

The disruption budget and the autoscaler are the same whether replicas run or not. Without pods a budget keeps nobody
from anything, and an autoscaler does nothing while its target has `replicas: 0`. So a region is brought up by scaling
one Deployment, by `pulumi up` or by hand, and is guarded from its first replica on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.kubernetes.alert_rules import BUDGET
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.labels import APP, ISTIO, SERVING, metadata
from components.kubernetes.namespace_spec import in_namespace, policy
from components.traffic.inference_endpoint import SERVING_PORT
from dr.topology.serving import SERVICE

BALANCER_CLASS = "ml-dr/target-group-binding"
"""Nobody's: any other class, or none, would make a controller make a load balancer that dies with the cluster."""
CPU_TARGET = 60
"""Per cent of the server's CPU request: the peak's replicas are worked out, and this is for what was not foreseen."""
SCALE_DOWN_SECONDS = 600
"""A replica takes minutes to load: it is given up only when it was not needed for as long."""


def service_account() -> dict[str, Any]:
    """What the pod identity association names. Its name is its only link to AWS."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(SERVICE, SERVING),
        "automountServiceAccountToken": False,
    }


def code(spec: InferenceSpec) -> dict[str, Any]:
    """The code of the init container. Other code is another object, so it never changes under a running pod."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(spec.code_name, SERVING),
        "immutable": True,
        "data": dict(spec.code.data),
    }


def service() -> dict[str, Any]:
    """The Service, whose load balancer Pulumi owns: nobody fills its status, so nobody may wait for that."""
    annotations = {"service.kubernetes.io/topology-mode": "Auto", "pulumi.com/skipAwait": "true"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(SERVICE, SERVING, annotations=annotations),
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": BALANCER_CLASS,
            "externalTrafficPolicy": "Local",
            # Pods are targets by their own addresses; no node has to listen for them.
            "allocateLoadBalancerNodePorts": False,
            "selector": dict(APP),
            "ports": [{"name": "http", "port": SERVING_PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def binding(target_group_arn: Any) -> dict[str, Any]:
    """Registers ready pods in the target group.

    Without `networking`: Pulumi lets the load balancer in where it makes the cluster, and the controller's role may
    register pods in one target group and change no security group. With it, the controller would try, be refused, and
    register nobody.
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
    """Keeps drains from taking more than the loss of a zone would; a pod that is not ready protects nobody."""
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
    """Between the tier's floor and what the region may grow to. Bounds hold even where no metric is known."""
    target = {"type": "Utilization", "averageUtilization": CPU_TARGET}
    metric = {"name": "cpu", "container": "server", "target": target}
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
                # One at a time, so that the zones never come far apart before a drain or a rollout evens them.
                "scaleDown": {
                    "stabilizationWindowSeconds": SCALE_DOWN_SECONDS,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
    }


def way_in(balancer_blocks: Sequence[str], mesh: bool) -> dict[str, Any]:
    """Who may ask: the load balancer, whose addresses are its subnets', and callers inside a mesh."""
    serving = [{"protocol": "TCP", "port": SERVING_PORT}]
    callers: list[Mapping[str, Any]] = [{"ipBlock": {"cidr": block}} for block in balancer_blocks]
    if mesh:
        callers += [
            {"namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}}},
            {"namespaceSelector": in_namespace(ISTIO)},
        ]
    return policy(SERVICE, SERVING, APP, ingress=[{"from": callers, "ports": serving}])
