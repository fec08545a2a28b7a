"""Helm charts of a cluster, with pinned versions.

Sources of the versions:

- aws-load-balancer-controller: aws/eks-charts, pull request 1347 (controller v3.4.2).
- cluster-autoscaler: kubermatic/kubermatic, pull request 16253 (9.59.0 has autoscaler 1.35.0); the autoscaler's minor
  version is the cluster's (its README, "Releases").
- nvidia-device-plugin: NVIDIA/k8s-device-plugin, pull request 1814.
- kube-prometheus-stack: sapcc/helm-charts, pull request 12544 (88.2.0 has operator v0.93.0).
- velero: adfinis/helm-charts, pull requests 1788 (12.0.0) and 1892 (Velero 1.18).
- base, istiod: entigolabs/entigo-infralib, pull requests 1655 and 1657.
- karpenter: endoflife.date/karpenter (1.11 supports Kubernetes 1.29 to 1.35), and aws/karpenter-provider-aws,
  hack/docs/compatibilitymatrix_gen/compatibility.yaml (1.9 to 1.12 up to 1.35).
"""

from __future__ import annotations

from dataclasses import dataclass

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


BALANCER = Chart("aws-load-balancer-controller", "3.4.2", SYSTEM, "https://aws.github.io/eks-charts")
SCALER = Chart("cluster-autoscaler", "9.59.0", SYSTEM, "https://kubernetes.github.io/autoscaler")
DEVICE_PLUGIN = Chart("nvidia-device-plugin", "0.19.2", SYSTEM, "https://nvidia.github.io/k8s-device-plugin")
PROMETHEUS = Chart(
    "kube-prometheus-stack", "88.2.0", MONITORING, "https://prometheus-community.github.io/helm-charts", True
)
BACKUP = Chart("velero", "12.0.0", VELERO, "https://vmware-tanzu.github.io/helm-charts")
MESH_BASE = Chart("base", "1.30.4", ISTIO, "https://istio-release.storage.googleapis.com/charts", True)
MESH = Chart("istiod", "1.30.4", ISTIO, MESH_BASE.repository)
NODE_MAKER = Chart("karpenter", "1.11.1", SYSTEM, "oci://public.ecr.aws/karpenter/karpenter")
CHARTS = (BALANCER, SCALER, DEVICE_PLUGIN, PROMETHEUS, BACKUP, MESH_BASE, MESH, NODE_MAKER)
"""All charts that the stacks install; no other version of them is installed."""
