"""EKS: add-ons, access entries, and pod identities.

After internal/service/eks/*.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.calls import Call
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.model import Resource, ResourceType
from sandbox.aws_plugin.types.eks import ARN, CLUSTER_NAME, tagged_by

# Add-ons -------------------------------------------------------------------------------------------------------


def _read_addon(addon: Resource) -> dict[str, Any]:
    """Read an add-on, with role and service account of its pod identities instead of their ARNs."""
    named = addon.identity()
    found = addon.send("describe_addon", **named)["addon"]
    ids = [arn.rpartition("/")[2] for arn in found.get("podIdentityAssociations", ())]
    identities = [
        addon.send("describe_pod_identity_association", clusterName=named["clusterName"], associationId=id)
        for id in ids
    ]
    return {**found, "podIdentityAssociations": [each["association"] for each in identities]}


def _create_addon(addon: Resource) -> None:
    arguments = addon.arguments("create_addon")
    if "ResolveOnCreate" in (known := addon.members()):
        arguments["resolveConflicts"] = known["ResolveOnCreate"]
    addon.send("create_addon", **arguments, tags=addon.wanted["tagsAll"])
    addon.tagged = True


def _update_addon(addon: Resource) -> None:
    arguments = addon.arguments("update_addon")
    if policy := addon.wanted.get("resolveConflictsOnUpdate"):
        arguments["resolveConflicts"] = policy
    addon.send("update_addon", **arguments)


def _delete_addon(addon: Resource) -> None:
    addon.send("delete_addon", **addon.identity(), preserve=bool(addon.state.get("preserve")))


ADDON = ResourceType(
    token="aws:eks/addon:Addon",
    service="eks",
    shape="CreateAddonRequest",
    properties="""clusterName! addonName! addonVersion configurationValues serviceAccountRoleArn
                  podIdentityAssociations:set{serviceAccount! roleArn!} preserve:boolean
                  resolveConflictsOnCreate:string resolveConflictsOnUpdate:string""",
    outputs="arn=addonArn:string createdAt=createdAt:timestamp modifiedAt=modifiedAt:timestamp",
    identity="{clusterName}:{addonName}",
    computed=frozenset({"addonVersion", "configurationValues"}),
    replace_on=frozenset({"clusterName", "addonName"}),
    renewed=frozenset({"modifiedAt"}),
    allowed={
        "resolveConflictsOnCreate": ("NONE", "OVERWRITE"),
        "resolveConflictsOnUpdate": ("NONE", "OVERWRITE", "PRESERVE"),
    },
    checks=(
        matches("clusterName", *CLUSTER_NAME),
        matches("addonVersion", r"v\d+\.\d+\.\d+.*", "a version with a leading v"),
        matches("serviceAccountRoleArn", *ARN),
    ),
    create=_create_addon,
    read=_read_addon,
    update=(("addonVersion configurationValues podIdentityAssociations serviceAccountRoleArn", _update_addon),),
    delete=_delete_addon,
    tags=tagged_by(),
)


# Access --------------------------------------------------------------------------------------------------------


ACCESS_ENTRY = ResourceType(
    token="aws:eks/accessEntry:AccessEntry",
    service="eks",
    shape="CreateAccessEntryRequest",
    properties="clusterName! principalArn! kubernetesGroups:set type userName=username",
    outputs="""accessEntryArn=accessEntryArn:string createdAt=createdAt:timestamp modifiedAt=modifiedAt:timestamp""",
    identity="{clusterName}:{principalArn}",
    defaults={"type": "STANDARD"},
    computed=frozenset({"kubernetesGroups", "userName"}),
    replace_on=frozenset({"clusterName", "principalArn", "type"}),
    renewed=frozenset({"modifiedAt"}),
    allowed={"type": ("STANDARD", "EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX")},
    checks=(matches("clusterName", *CLUSTER_NAME), matches("principalArn", *ARN)),
    create=Call("create_access_entry", tags="tags"),
    read=Call("describe_access_entry", answer="accessEntry"),
    update=(("kubernetesGroups userName", Call("update_access_entry")),),
    delete=Call("delete_access_entry"),
    tags=tagged_by("accessEntryArn"),
    retries=("invalid principal",),
)


def _read_policy_association(association: Resource) -> dict[str, Any] | None:
    named = association.identity()
    policy = named.pop("policyArn")
    answer = association.send("list_associated_access_policies", **named)
    found = [each for each in answer["associatedAccessPolicies"] if each["policyArn"] == policy]
    return {**named, **found[0]} if found else None


ACCESS_POLICY_ASSOCIATION = ResourceType(
    token="aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
    service="eks",
    shape="AssociateAccessPolicyRequest",
    properties="clusterName! principalArn! policyArn! accessScope!{type! namespaces:set}",
    outputs="associatedAt=associatedAt:timestamp modifiedAt=modifiedAt:timestamp",
    identity="{clusterName}#{principalArn}#{policyArn}",
    replace_on=frozenset(
        {"clusterName", "principalArn", "policyArn", "accessScope", "accessScope.type", "accessScope.namespaces"}
    ),
    checks=(
        matches("clusterName", *CLUSTER_NAME),
        matches("principalArn", *ARN),
        matches("policyArn", *ARN),
    ),
    create=Call("associate_access_policy"),
    read=_read_policy_association,
    delete=Call("disassociate_access_policy"),
    retries=("The specified principalArn could not be found",),
)


def _cluster_of(identity: Resource) -> str | None:
    """The cluster of a pod identity. An imported one has the id `cluster,id`, or its cluster is searched."""
    if "," in identity.id:
        cluster, identity.id = identity.id.split(",", 1)
        return cluster
    if cluster := identity["clusterName"]:
        return str(cluster)
    for name in identity.send("list_clusters")["clusters"]:
        listed = identity.send("list_pod_identity_associations", clusterName=name)["associations"]
        if identity.id in [each["associationId"] for each in listed]:
            return str(name)
    return None


def _read_identity(identity: Resource) -> Any:
    cluster = _cluster_of(identity)
    if cluster is None:
        return None
    named = {"clusterName": cluster, "associationId": identity.id}
    return identity.send("describe_pod_identity_association", **named)["association"]


def _update_identity(identity: Resource) -> None:
    named = {"clusterName": _cluster_of(identity), "associationId": identity.id}
    given = identity.arguments("update_pod_identity_association")
    identity.send("update_pod_identity_association", **{**given, **named})


def _delete_identity(identity: Resource) -> None:
    named = {"clusterName": _cluster_of(identity), "associationId": identity.id}
    identity.send("delete_pod_identity_association", **named)


POD_IDENTITY_ASSOCIATION = ResourceType(
    token="aws:eks/podIdentityAssociation:PodIdentityAssociation",
    service="eks",
    shape="CreatePodIdentityAssociationRequest",
    properties="clusterName! namespace! serviceAccount! roleArn! disableSessionTags",
    outputs="associationArn=associationArn:string associationId=associationId:string",
    identity="{associationId}",
    defaults={"disableSessionTags": False},
    replace_on=frozenset({"clusterName", "namespace", "serviceAccount"}),
    checks=(matches("clusterName", *CLUSTER_NAME), matches("roleArn", *ARN)),
    create=Call("create_pod_identity_association", tags="tags", identifier="association.associationId"),
    read=_read_identity,
    update=(("roleArn disableSessionTags", _update_identity),),
    delete=_delete_identity,
    tags=tagged_by("associationArn"),
    retries=("Role provided in the request does not exist", "could not be assumed"),
)

TYPES = (ADDON, ACCESS_ENTRY, ACCESS_POLICY_ASSOCIATION, POD_IDENTITY_ASSOCIATION)
