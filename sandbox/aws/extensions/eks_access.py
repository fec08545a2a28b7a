"""EKS: add-ons, access entries with their policies, and pod identities."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.eks import Cluster, check_role, cluster_of, now, taken, wrong

ADDONS = {
    "vpc-cni": ("v1.20.4-eksbuild.1", "v1.20.3-eksbuild.1"),
    "kube-proxy": ("v1.34.1-eksbuild.2", "v1.34.0-eksbuild.4"),
    "coredns": ("v1.12.4-eksbuild.1", "v1.12.3-eksbuild.1"),
    "eks-pod-identity-agent": ("v1.3.9-eksbuild.3", "v1.3.8-eksbuild.2"),
    "aws-ebs-csi-driver": ("v1.51.1-eksbuild.1", "v1.50.1-eksbuild.1"),
    "metrics-server": ("v0.8.0-eksbuild.2", "v0.7.2-eksbuild.4"),
    "snapshot-controller": ("v8.3.0-eksbuild.1", "v8.2.0-eksbuild.1"),
}
"""Versions by add-on, the default first. Which of them supports which version of Kubernetes is not emulated."""
POLICIES = (
    *("AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy"),
    *("AmazonEKSEditPolicy", "AmazonEKSViewPolicy"),
)
POLICY_ARN = "arn:aws:eks::aws:cluster-access-policy/"
PRINCIPAL = re.compile(r"arn:aws:iam::(\d{12}):(role|user)/(?:.+/)?([^/]+)")


# Add-ons ---------------------------------------------------------------------------------------------------------


def _versions(name: str) -> tuple[str, ...]:
    if name not in ADDONS:
        raise wrong(f"Addon {name} specified is not supported")
    return ADDONS[name]


def _version(wanted: dict[str, Any], otherwise: str) -> str:
    version = str(wanted.get("addonVersion", otherwise))
    if version not in _versions(wanted["addonName"]):
        raise wrong(f"Addon version specified is not supported: {wanted['addonName']} {version}")
    return version


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
        "addonVersion": _version(wanted, versions[0]),
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
        _make_identity(call, cluster, {"namespace": "kube-system", **each, "clusterName": cluster.about["name"]})
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
    addon["addonVersion"] = _version(wanted, addon["addonVersion"])
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
                ],
            }
            for name, versions in chosen.items()
        ]
    }


# Access entries --------------------------------------------------------------------------------------------------


def _entry(call: Call) -> dict[str, Any]:
    entries, principal = cluster_of(call).entries, call.parameters["principalArn"]
    if principal not in entries:
        raise AwsError("ResourceNotFoundException", f"The specified principalArn could not be found: {principal}")
    return entries[principal]


@answers("eks", "CreateAccessEntry")
def create_entry(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, cluster = call.parameters, cluster_of(call)
    principal = wanted["principalArn"]
    if cluster.about["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        modes = "[API, API_AND_CONFIG_MAP] to perform this operation."
        raise AwsError("InvalidRequestException", f"The cluster's authentication mode must be set to one of {modes}")
    if not (named := PRINCIPAL.fullmatch(principal)):
        raise wrong(f"The specified principalArn is invalid: invalid principal {principal}")
    if principal in cluster.entries:
        raise taken("The specified access entry resource is already in use on this cluster.")
    kind = wanted.get("type", "STANDARD")
    _check_access(kind, wanted)
    account, sort, short = named.groups()
    name = cluster.about["name"]
    cluster.entries[principal] = {
        "clusterName": name,
        "principalArn": principal,
        "kubernetesGroups": wanted.get("kubernetesGroups", []),
        "accessEntryArn": f"arn:aws:eks:{call.region}:{ACCOUNT}:access-entry/{name}/{sort}/{account}/{short}/{uuid4()}",
        "createdAt": now(),
        "modifiedAt": now(),
        "tags": wanted.get("tags", {}),
        "username": wanted.get("username") or _user_name(kind, principal, *named.groups()),
        "type": kind,
        "policies": {},
    }
    return {"accessEntry": _shown(cluster.entries[principal])}


def _check_access(kind: str, wanted: dict[str, Any]) -> None:
    """Refuse groups and names that the type of an entry excludes (EKS user guide, "Create access entries")."""
    if kind != "STANDARD" and (wanted.get("kubernetesGroups") or wanted.get("username")):
        raise wrong(f"Groups and a user name are of access entries of type STANDARD; this one is {kind}")
    if any(group.startswith("system:") for group in wanted.get("kubernetesGroups", ())):
        raise wrong("The kubernetes group name may not start with system:")


def _user_name(kind: str, principal: str, account: str, sort: str, short: str) -> str:
    """The user name that EKS gives a principal without one."""
    if kind != "STANDARD":
        return "system:node:{{EC2PrivateDNSName}}"
    role = f"arn:aws:sts::{account}:assumed-role/{short}/{{{{SessionName}}}}"
    return role if sort == "role" else principal


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "policies"}


@answers("eks", "DescribeAccessEntry")
def describe_entry(call: Call, moto: Moto) -> dict[str, Any]:
    return {"accessEntry": _shown(_entry(call))}


@answers("eks", "ListAccessEntries")
def list_entries(call: Call, moto: Moto) -> dict[str, Any]:
    return {"accessEntries": sorted(cluster_of(call).entries)}


@answers("eks", "UpdateAccessEntry")
def update_entry(call: Call, moto: Moto) -> dict[str, Any]:
    entry = _entry(call)
    _check_access(entry["type"], call.parameters)
    entry |= {key: call.parameters[key] for key in ("kubernetesGroups", "username") if key in call.parameters}
    entry["modifiedAt"] = now()
    return {"accessEntry": _shown(entry)}


@answers("eks", "DeleteAccessEntry")
def delete_entry(call: Call, moto: Moto) -> dict[str, Any]:
    del cluster_of(call).entries[_entry(call)["principalArn"]]
    return {}


@answers("eks", "AssociateAccessPolicy")
def associate_policy(call: Call, moto: Moto) -> dict[str, Any]:
    entry, wanted = _entry(call), call.parameters
    if wanted["policyArn"].removeprefix(POLICY_ARN) not in POLICIES:
        raise wrong(f"The policyArn parameter format is not valid, or no such policy: {wanted['policyArn']}")
    if entry["type"] != "STANDARD":
        raise wrong(f"Policies are of access entries of type STANDARD; this one is {entry['type']}")
    scope = wanted["accessScope"]
    if (scope.get("type") == "namespace") != bool(scope.get("namespaces")):
        raise wrong("An access scope of type namespace has namespaces, and one of type cluster has none")
    made = {
        "policyArn": wanted["policyArn"],
        "accessScope": {"namespaces": [], **wanted["accessScope"]},
        "associatedAt": now(),
        "modifiedAt": now(),
    }
    entry["policies"][wanted["policyArn"]] = made
    return {"clusterName": entry["clusterName"], "principalArn": entry["principalArn"], "associatedAccessPolicy": made}


@answers("eks", "DisassociateAccessPolicy")
def disassociate_policy(call: Call, moto: Moto) -> dict[str, Any]:
    if _entry(call)["policies"].pop(call.parameters["policyArn"], None) is None:
        message = f"The specified policyArn is not associated: {call.parameters['policyArn']}"
        raise AwsError("ResourceNotFoundException", message)
    return {}


@answers("eks", "ListAssociatedAccessPolicies")
def list_associated(call: Call, moto: Moto) -> dict[str, Any]:
    entry = _entry(call)
    listed = list(entry["policies"].values())
    return {
        "clusterName": entry["clusterName"],
        "principalArn": entry["principalArn"],
        "associatedAccessPolicies": listed,
    }


@answers("eks", "ListAccessPolicies")
def list_policies(call: Call, moto: Moto) -> dict[str, Any]:
    return {"accessPolicies": [{"name": name, "arn": f"{POLICY_ARN}{name}"} for name in POLICIES]}


# Pod identities --------------------------------------------------------------------------------------------------


def _identity(call: Call) -> dict[str, Any]:
    cluster = cluster_of(call)
    return cluster.find(cluster.identities, call.parameters["associationId"], "association")


def _make_identity(call: Call, cluster: Cluster, wanted: dict[str, Any]) -> dict[str, Any]:
    check_role(wanted["roleArn"], "pods.eks.amazonaws.com")
    place = (wanted["namespace"], wanted["serviceAccount"])
    if place in [(each["namespace"], each["serviceAccount"]) for each in cluster.identities.values()]:
        raise taken(f"Association already exists: {place[0]}/{place[1]}")
    id = f"a-{uuid4().hex[:17]}"
    cluster.identities[id] = {
        "clusterName": cluster.about["name"],
        "namespace": place[0],
        "serviceAccount": place[1],
        "roleArn": wanted["roleArn"],
        "associationArn": f"arn:aws:eks:{call.region}:{ACCOUNT}:podidentityassociation/{cluster.about['name']}/{id}",
        "associationId": id,
        "tags": wanted.get("tags", {}),
        "createdAt": now(),
        "modifiedAt": now(),
        "disableSessionTags": wanted.get("disableSessionTags", False),
    }
    return cluster.identities[id]


@answers("eks", "CreatePodIdentityAssociation")
def create_identity(call: Call, moto: Moto) -> dict[str, Any]:
    return {"association": _make_identity(call, cluster_of(call), call.parameters)}


@answers("eks", "DescribePodIdentityAssociation")
def describe_identity(call: Call, moto: Moto) -> dict[str, Any]:
    return {"association": _identity(call)}


@answers("eks", "ListPodIdentityAssociations")
def list_identities(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = {key: call.parameters[key] for key in ("namespace", "serviceAccount") if key in call.parameters}
    found = [each for each in cluster_of(call).identities.values() if wanted.items() <= each.items()]
    shown = ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")
    return {"associations": [{key: each[key] for key in shown} for each in found]}


@answers("eks", "UpdatePodIdentityAssociation")
def update_identity(call: Call, moto: Moto) -> dict[str, Any]:
    identity, wanted = _identity(call), call.parameters
    if "roleArn" in wanted:
        check_role(wanted["roleArn"], "pods.eks.amazonaws.com")
    identity |= {key: wanted[key] for key in ("roleArn", "disableSessionTags") if key in wanted}
    identity["modifiedAt"] = now()
    return {"association": identity}


@answers("eks", "DeletePodIdentityAssociation")
def delete_identity(call: Call, moto: Moto) -> dict[str, Any]:
    identity = _identity(call)
    del cluster_of(call).identities[identity["associationId"]]
    return {"association": identity}
