"""Versions of a cluster in one table: Kubernetes, nodes, EKS add-ons and Helm charts; and their comparison. Pure.

An upgrade changes this table (docs/how-to/upgrade.md). The versions work together:

- Kubernetes: in standard support (EKS user guide, "Understand the Kubernetes version lifecycle").
- Node release: the image of both pools, with that version of Kubernetes (awslabs/amazon-eks-ami, release v20260304).
- Add-ons: offered for that version of Kubernetes (EKS API, DescribeAddonVersions, as read in March 2026 by
  ministryofjustice/analytical-platform and others). `dr preflight` checks that EKS still offers them.
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

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dr.errors import Problem

MODULE = "dr/clusters/versions.py"


@dataclass(frozen=True)
class Versions:
    """Versions of a cluster.

    Args:
        kubernetes: Version of the control plane: "1.35"; "" if unknown or not deployed.
        node_release: Release of the nodes' image: "1.35.2-20260304"; "" for the newest of the cluster's version.
        addons: Versions of EKS add-ons by name.
    """

    kubernetes: str = ""
    node_release: str = ""
    addons: Mapping[str, str] = field(default_factory=dict)

    @property
    def node_version(self) -> str:
        """Version of Kubernetes on the nodes: "1.35"; "" for the cluster's."""
        return ".".join(self.node_release.split(".")[:2])


TABLE = Versions(
    kubernetes="1.35",
    node_release="1.35.2-20260304",
    addons={
        "vpc-cni": "v1.21.1-eksbuild.5",
        "kube-proxy": "v1.35.2-eksbuild.4",
        "eks-pod-identity-agent": "v1.3.10-eksbuild.2",
        "coredns": "v1.13.2-eksbuild.4",
        "aws-ebs-csi-driver": "v1.57.1-eksbuild.1",
        "metrics-server": "v0.8.1-eksbuild.4",
        "snapshot-controller": "v8.3.0-eksbuild.1",
    },
)
CHARTS: Mapping[str, str] = {
    "aws-load-balancer-controller": "3.4.2",
    "cluster-autoscaler": "9.59.0",
    "nvidia-device-plugin": "0.19.2",
    "kube-prometheus-stack": "88.2.0",
    "velero": "12.0.0",
    "base": "1.30.4",
    "istiod": "1.30.4",
    "karpenter": "1.11.1",
}


def compared(version: str) -> tuple[int, ...]:
    """Return a version's numbers, in which versions are compared: "v1.35.2-eksbuild.4" -> (1, 35, 2, 4)."""
    return tuple(map(int, re.findall(r"\d+", version)))


def newest(wanted: str, deployed: str) -> str:
    """Return the newer of two versions."""
    return max(wanted, deployed, key=compared)


def to_deploy(table: Versions, deployed: Versions) -> Versions:
    """Return the versions to deploy: those of the table, except where AWS runs something newer.

    EKS upgrades a control plane by itself at the end of its standard support, and refuses a downgrade (EKS user guide,
    "Understand the Kubernetes version lifecycle").
    """
    return Versions(
        newest(table.kubernetes, deployed.kubernetes),
        newest(table.node_release, deployed.node_release),
        {name: newest(version, deployed.addons.get(name, "")) for name, version in table.addons.items()},
    )


def newer_than_table(table: Versions, deployed: Versions) -> Iterator[str]:
    """Yield a warning for each version that AWS runs and that is newer than the table."""
    pairs = [
        ("Kubernetes", table.kubernetes, deployed.kubernetes),
        ("node release", table.node_release, deployed.node_release),
        *((f"add-on {name}", version, deployed.addons.get(name, "")) for name, version in table.addons.items()),
    ]
    for name, wanted, found in pairs:
        if newest(wanted, found) != wanted:
            yield (
                f"{name}: AWS runs {found}, newer than {wanted} of {MODULE}; it is kept. Update the table to the "
                "versions that run, so that a new cluster gets the same"
            )


def skipped(table: Versions, deployed: Versions) -> Problem | None:
    """Return the problem of an upgrade over more than one minor version; None without one."""
    if not deployed.kubernetes:
        return None
    (major, minor), (now, at) = compared(table.kubernetes)[:2], compared(deployed.kubernetes)[:2]
    if (major, minor) <= (now, at + 1):
        return None
    fact = f"the cluster runs {deployed.kubernetes}, and EKS upgrades by one minor version at a time"
    remedy = f"deploy {now}.{at + 1} first, with the node release, add-ons and charts for it in {MODULE}"
    return Problem(f"Kubernetes {table.kubernetes}", fact, remedy)
