"""EKS: add-ons."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sandbox.aws.account import ACCOUNT
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.eks import Cluster, cluster_of, now, taken, wrong
from sandbox.aws.extensions.eks_identities import make_identity

ADDONS = {
    "vpc-cni": ("v1.20.4-eksbuild.1", "v1.20.3-eksbuild.1", "v1.21.1-eksbuild.5", "v1.22.4-eksbuild.3"),
    "kube-proxy": ("v1.34.1-eksbuild.2", "v1.34.0-eksbuild.4", "v1.35.2-eksbuild.4", "v1.36.0-eksbuild.17"),
    "coredns": ("v1.12.4-eksbuild.1", "v1.12.3-eksbuild.1", "v1.13.2-eksbuild.4", "v1.14.3-eksbuild.14"),
    "eks-pod-identity-agent": ("v1.3.9-eksbuild.3", "v1.3.8-eksbuild.2", "v1.3.10-eksbuild.2"),
    "aws-ebs-csi-driver": ("v1.51.1-eksbuild.1", "v1.50.1-eksbuild.1", "v1.57.1-eksbuild.1"),
    "metrics-server": ("v0.8.0-eksbuild.2", "v0.7.2-eksbuild.4", "v0.8.1-eksbuild.4"),
    "snapshot-controller": ("v8.3.0-eksbuild.1", "v8.2.0-eksbuild.1"),
}
"""Versions by add-on, the default first. Only kube-proxy's are limited to the cluster's version of Kubernetes, or older
ones."""


def _versions(name: str) -> tuple[str, ...]:
    if name not in ADDONS:
        raise wrong(f"Addon {name} specified is not supported")
    return ADDONS[name]


def _version(wanted: dict[str, Any], otherwise: str, cluster: Cluster) -> str:
    name, version = wanted["addonName"], str(wanted.get("addonVersion", otherwise))
    if version not in _versions(name) or not _supported(name, version, cluster.about["version"]):
        raise wrong(f"Addon version specified is not supported: {wanted['addonName']} {version}")
    return version


def _supported(name: str, version: str, kubernetes: str) -> bool:
    """Return whether a version of an add-on supports a version of Kubernetes; kube-proxy is never the newer one."""
    return name != "kube-proxy" or _minor(version.removeprefix("v")) <= _minor(kubernetes)


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _addon(call: Call) -> dict[str, Any]:
    cluster = cluster_of(call)
    return cluster.find(cluster.addons, call.parameters["addonName"], "addon")


@answers("eks", "CreateAddon")
def create_addon(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, cluster = call.parameters, cluster_of(call)
    name = wanted["addonName"]
    versions = _versions(name)
    if name in cluster.addons:
        raise taken("Addon already exists.")
    made = {
        "addonName": name,
        "clusterName": cluster.about["name"],
        "status": "ACTIVE",
        "addonVersion": _version(wanted, versions[0], cluster),
        "health": {"issues": []},
        "addonArn": f"arn:aws:eks:{call.region}:{ACCOUNT}:addon/{cluster.about['name']}/{name}/{uuid4()}",
        "createdAt": now(),
        "modifiedAt": now(),
        "tags": wanted.get("tags", {}),
        "podIdentityAssociations": _addon_identities(call, cluster, wanted.get("podIdentityAssociations", [])),
    }
    made |= {key: wanted[key] for key in ("configurationValues", "serviceAccountRoleArn") if key in wanted}
    call.world.kubernetes.install_addon(call.region, cluster.about["name"], name)
    cluster.addons[name] = made
    return {"addon": made}


def _addon_identities(call: Call, cluster: Cluster, wanted: list[dict[str, str]]) -> list[str]:
    """Create the pod identities of an add-on."""
    made = [
        make_identity(call, cluster, {"namespace": "kube-system", **each, "clusterName": cluster.about["name"]})
        for each in wanted
    ]
    return [each["associationArn"] for each in made]


def _drop_identities(cluster: Cluster, arns: list[str]) -> None:
    for id in [id for id, each in cluster.identities.items() if each["associationArn"] in arns]:
        del cluster.identities[id]


@answers("eks", "DescribeAddon")
def describe_addon(call: Call, moto: Moto) -> dict[str, Any]:
    return {"addon": _addon(call)}


@answers("eks", "ListAddons")
def list_addons(call: Call, moto: Moto) -> dict[str, Any]:
    return {"addons": sorted(cluster_of(call).addons)}


@answers("eks", "UpdateAddon")
def update_addon(call: Call, moto: Moto) -> dict[str, Any]:
    addon, wanted, cluster = _addon(call), call.parameters, cluster_of(call)
    addon["addonVersion"] = _version(wanted, addon["addonVersion"], cluster)
    addon |= {key: wanted[key] for key in ("configurationValues", "serviceAccountRoleArn") if key in wanted}
    if "podIdentityAssociations" in wanted:
        _drop_identities(cluster, addon["podIdentityAssociations"])
        addon["podIdentityAssociations"] = _addon_identities(call, cluster, wanted["podIdentityAssociations"])
    addon["modifiedAt"] = now()
    return cluster.updated("AddonUpdate", {"AddonVersion": addon["addonVersion"]}, addon["addonName"])


@answers("eks", "DeleteAddon")
def delete_addon(call: Call, moto: Moto) -> dict[str, Any]:
    addon, cluster = _addon(call), cluster_of(call)
    _drop_identities(cluster, addon["podIdentityAssociations"])
    del cluster.addons[addon["addonName"]]
    return {"addon": addon | {"status": "DELETING"}}


@answers("eks", "DescribeAddonVersions")
def describe_addon_versions(call: Call, moto: Moto) -> dict[str, Any]:
    named = call.parameters.get("addonName")
    chosen = {named: _versions(named)} if named else ADDONS
    version = call.parameters.get("kubernetesVersion", "1.34")
    return {
        "addons": [
            {
                "addonName": name,
                "owner": "aws",
                "publisher": "eks",
                "addonVersions": [
                    {
                        "addonVersion": each,
                        "compatibilities": [{"clusterVersion": version, "defaultVersion": each == versions[0]}],
                    }
                    for each in versions
                    if _supported(name, each, version)
                ],
            }
            for name, versions in chosen.items()
        ]
    }
