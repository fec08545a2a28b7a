"""Roles, the policies inside them, those attached to them, and instance profiles.

After internal/service/iam/{role,role_policy,role_policy_attachment,instance_profile}.go of the provider that the real
plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType

NAME = r"[\w+=,.@-]+"


def _read_role(role: Resource) -> dict[str, Any]:
    found = role.send("get_role", RoleName=role.id)["Role"]
    boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return {**found, "PermissionsBoundary": boundary}


def _trust(role: Resource) -> None:
    role.send("update_assume_role_policy", RoleName=role.id, PolicyDocument=role.wanted["assumeRolePolicy"])


def _describe(role: Resource) -> None:
    described = {"Description": role.wanted.get("description", "")}
    role.send("update_role", **role.arguments("update_role") | described)


def _bound(role: Resource) -> None:
    if boundary := role.wanted.get("permissionsBoundary"):
        role.send("put_role_permissions_boundary", RoleName=role.id, PermissionsBoundary=boundary)
    else:
        role.send("delete_role_permissions_boundary", RoleName=role.id)


def _delete_role(role: Resource) -> None:
    for profile in role.send("list_instance_profiles_for_role", RoleName=role.id)["InstanceProfiles"]:
        name = profile["InstanceProfileName"]
        role.send("remove_role_from_instance_profile", InstanceProfileName=name, RoleName=role.id)
    if role.state.get("forceDetachPolicies"):
        for policy in role.send("list_attached_role_policies", RoleName=role.id)["AttachedPolicies"]:
            role.send("detach_role_policy", RoleName=role.id, PolicyArn=policy["PolicyArn"])
        for name in role.send("list_role_policies", RoleName=role.id)["PolicyNames"]:
            role.send("delete_role_policy", RoleName=role.id, PolicyName=name)
    # The role's policies may be deleted at the same time.
    Call("delete_role", retries=("DeleteConflict",))(role)


ROLE = ResourceType(
    token="aws:iam/role:Role",
    service="iam",
    shape="CreateRoleRequest",
    properties="""name=RoleName! path description assumeRolePolicy=AssumeRolePolicyDocument:json!
                  maxSessionDuration permissionsBoundary forceDetachPolicies:boolean""",
    outputs="arn=Arn:string uniqueId=RoleId:string createDate=CreateDate:timestamp",
    identity="{RoleName}",
    regional=False,
    auto_name=AutoName("name", 64),
    defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
    replace_on=frozenset({"name", "path"}),
    checks=(
        matches("name", NAME, "letters, digits and _+=,.@-"),
        matches("description", r"[^‘’“”]*", "without curly quotes, which IAM refuses"),  # noqa: RUF001 - those it is about
    ),
    create=Call("create_role"),
    read=_read_role,
    update=(
        ("assumeRolePolicy", _trust),
        ("description maxSessionDuration", _describe),
        ("permissionsBoundary", _bound),
    ),
    delete=_delete_role,
    tags=tagged("RoleName", operations=("list_role_tags", "tag_role", "untag_role")),
    retries=("Invalid principal in policy", "ConcurrentModification"),
)

ROLE_POLICY = ResourceType(
    token="aws:iam/rolePolicy:RolePolicy",
    service="iam",
    shape="PutRolePolicyRequest",
    properties="name=PolicyName! policy=PolicyDocument:json! role=RoleName!",
    identity="{RoleName}:{PolicyName}",
    regional=False,
    auto_name=AutoName("name", 128),
    replace_on=frozenset({"name", "role"}),
    checks=(
        matches("name", NAME, "letters, digits and _+=,.@-"),
        matches("role", r"[\w+=,.@-]{1,128}", "the name of a role (not its ARN)"),
    ),
    create=Call("put_role_policy"),
    read=Call("get_role_policy"),
    update=(("policy", Call("put_role_policy")),),
    delete=Call("delete_role_policy"),
)


def _read_attachment(attachment: Resource) -> dict[str, Any] | None:
    named = attachment.identity()
    attached = attachment.send("list_attached_role_policies", RoleName=named["RoleName"])["AttachedPolicies"]
    return named if named["PolicyArn"] in [policy["PolicyArn"] for policy in attached] else None


ROLE_POLICY_ATTACHMENT = ResourceType(
    token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    service="iam",
    shape="AttachRolePolicyRequest",
    properties="role=RoleName! policyArn!",
    identity="{RoleName}/{PolicyArn}",
    regional=False,
    replace_on=frozenset({"role", "policyArn"}),
    checks=(matches("policyArn", r"arn:aws[\w-]*:.+", "the ARN of a policy"),),
    create=Call("attach_role_policy"),
    read=_read_attachment,
    delete=Call("detach_role_policy"),
    retries=("ConcurrentModification",),
)


def _make_profile(profile: Resource) -> None:
    Call("create_instance_profile")(profile)
    _give_role(profile)


def _give_role(profile: Resource) -> None:
    _take_role(profile)
    if role := profile.wanted.get("role"):
        named = {"InstanceProfileName": profile.wanted["name"], "RoleName": role}
        profile.send("add_role_to_instance_profile", **named)


def _take_role(profile: Resource) -> None:
    named = {"InstanceProfileName": profile.id or profile.wanted["name"]}
    for role in profile.send("get_instance_profile", **named)["InstanceProfile"]["Roles"]:
        profile.send("remove_role_from_instance_profile", **named, RoleName=role["RoleName"])


def _read_profile(profile: Resource) -> dict[str, Any]:
    found: dict[str, Any] = profile.send("get_instance_profile", InstanceProfileName=profile.id)["InstanceProfile"]
    return {**found, "Role": next((role["RoleName"] for role in found["Roles"]), None)}


def _delete_profile(profile: Resource) -> None:
    _take_role(profile)
    Call("delete_instance_profile")(profile)


INSTANCE_PROFILE = ResourceType(
    token="aws:iam/instanceProfile:InstanceProfile",
    service="iam",
    shape="CreateInstanceProfileRequest",
    properties="name=InstanceProfileName! path role=Role:string",
    outputs="arn=Arn:string uniqueId=InstanceProfileId:string createDate=CreateDate:timestamp",
    identity="{InstanceProfileName}",
    regional=False,
    auto_name=AutoName("name", 128),
    defaults={"path": "/"},
    replace_on=frozenset({"name", "path"}),
    checks=(matches("name", NAME, "letters, digits and _+=,.@-"),),
    create=_make_profile,
    read=_read_profile,
    update=(("role", _give_role),),
    delete=_delete_profile,
    tags=tagged(
        "InstanceProfileName",
        operations=("list_instance_profile_tags", "tag_instance_profile", "untag_instance_profile"),
    ),
)

TYPES = (ROLE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT, INSTANCE_PROFILE)
