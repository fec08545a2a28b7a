"""EKS: pod identity associations."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sandbox.aws.account import ACCOUNT
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.eks import Cluster, check_role, cluster_of, now, taken


def _identity(call: Call) -> dict[str, Any]:
    cluster = cluster_of(call)
    return cluster.find(cluster.identities, call.parameters["associationId"], "association")


def make_identity(call: Call, cluster: Cluster, wanted: dict[str, Any]) -> dict[str, Any]:
    """Create a pod identity association. Raises AwsError."""
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
    return {"association": make_identity(call, cluster_of(call), call.parameters)}


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
