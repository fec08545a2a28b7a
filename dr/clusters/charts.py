"""Helm charts of a cluster. Their versions are in dr/clusters/versions.py."""

from __future__ import annotations

from dataclasses import dataclass

from dr.clusters.versions import CHARTS as VERSIONS

SYSTEM, MONITORING, VELERO, ISTIO = "kube-system", "monitoring", "velero", "istio-system"
"""Namespaces of the Helm releases."""


@dataclass(frozen=True)
class Chart:
    """A Helm chart and its release.

    Args:
        name: Name of the chart and of its release.
        version: Version of the chart.
        namespace: Namespace of the release.
        repository: URL of the chart repository; an `oci://` URL names the chart itself.
        own_namespace: Whether the release creates its namespace; if not, the namespace must exist.
    """

    name: str
    version: str
    namespace: str
    repository: str
    own_namespace: bool = False

    @property
    def is_oci(self) -> bool:
        """Whether the chart comes from an OCI registry."""
        return self.repository.startswith("oci://")


def _chart(name: str, namespace: str, repository: str, own_namespace: bool = False) -> Chart:
    return Chart(name, VERSIONS[name], namespace, repository, own_namespace)


BALANCER = _chart("aws-load-balancer-controller", SYSTEM, "https://aws.github.io/eks-charts")
SCALER = _chart("cluster-autoscaler", SYSTEM, "https://kubernetes.github.io/autoscaler")
DEVICE_PLUGIN = _chart("nvidia-device-plugin", SYSTEM, "https://nvidia.github.io/k8s-device-plugin")
PROMETHEUS = _chart(
    "kube-prometheus-stack", MONITORING, "https://prometheus-community.github.io/helm-charts", own_namespace=True
)
BACKUP = _chart("velero", VELERO, "https://vmware-tanzu.github.io/helm-charts")
MESH_BASE = _chart("base", ISTIO, "https://istio-release.storage.googleapis.com/charts", own_namespace=True)
MESH = _chart("istiod", ISTIO, MESH_BASE.repository)
NODE_MAKER = _chart("karpenter", SYSTEM, "oci://public.ecr.aws/karpenter/karpenter")
CHARTS = (BALANCER, SCALER, DEVICE_PLUGIN, PROMETHEUS, BACKUP, MESH_BASE, MESH, NODE_MAKER)
"""All charts that the stacks install; no other version of them is installed."""
