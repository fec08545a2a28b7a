"""EKS: access entries with their policies."""

from __future__ import annotations

import re
from typing import Any

from sandbox.aws.answer import AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.eks import access_entry, associated, cluster_of, now, taken, wrong

POLICIES = (
    *("AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy"),
    *("AmazonEKSEditPolicy", "AmazonEKSViewPolicy"),
)
POLICY_ARN = "arn:aws:eks::aws:cluster-access-policy/"
PRINCIPAL = re.compile(r"arn:aws:iam::(\d{12}):(role|user)/(?:.+/)?([^/]+)")


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
    if not PRINCIPAL.fullmatch(principal):
        raise wrong(f"The specified principalArn is invalid: invalid principal {principal}")
    if principal in cluster.entries:
        raise taken("The specified access entry resource is already in use on this cluster.")
    kind = wanted.get("type", "STANDARD")
    _check_access(kind, wanted)
    cluster.entries[principal] = access_entry(call.region, cluster.about["name"], principal, wanted)
    return {"accessEntry": _shown(cluster.entries[principal])}


def _check_access(kind: str, wanted: dict[str, Any]) -> None:
    """Refuse groups and names that the type of an entry excludes (EKS user guide, "Create access entries")."""
    if kind != "STANDARD" and (wanted.get("kubernetesGroups") or wanted.get("username")):
        raise wrong(f"Groups and a user name are of access entries of type STANDARD; this one is {kind}")
    if any(group.startswith("system:") for group in wanted.get("kubernetesGroups", ())):
        raise wrong("The kubernetes group name may not start with system:")


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
    made = associated(wanted["policyArn"], wanted["accessScope"])
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
