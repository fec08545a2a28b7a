"""AWS Backup: vaults with their locks and access policies, plans, and what plans select.

After internal/service/backup/{vault,vault_lock_configuration,vault_policy,plan,selection}.go of the provider that the
real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType

ARN = r"arn:aws[\w-]*:.+"
RULE_DEFAULTS = {
    "StartWindowMinutes": 60,
    "CompletionWindowMinutes": 180,
    "EnableContinuousBackup": False,
    "ScheduleExpressionTimezone": "Etc/UTC",
}
"""The plugin's defaults of a rule, which differ from those of AWS."""


TAGS = tagged(
    "ResourceArn", "arn", operations=("list_tags", "tag_resource", "untag_resource"), names="TagKeyList", pair=None
)


def _delete_vault(vault: Resource) -> None:
    """Delete a vault, before that its recovery points if forceDestroy is set."""
    if vault["forceDestroy"]:
        listed = vault.send("list_recovery_points_by_backup_vault", BackupVaultName=vault.id)["RecoveryPoints"]
        for point in listed:
            vault.send("delete_recovery_point", BackupVaultName=vault.id, RecoveryPointArn=point["RecoveryPointArn"])
    vault.send("delete_backup_vault", BackupVaultName=vault.id)


VAULT = ResourceType(
    token="aws:backup/vault:Vault",
    service="backup",
    shape="CreateBackupVaultInput",
    properties="name=BackupVaultName kmsKeyArn=EncryptionKeyArn forceDestroy:boolean",
    outputs="arn=BackupVaultArn:string recoveryPoints=NumberOfRecoveryPoints:integer",
    identity="{BackupVaultName}",
    auto_name=AutoName("name", 255),
    defaults={"forceDestroy": False},
    computed=frozenset({"kmsKeyArn"}),
    replace_on=frozenset({"name", "kmsKeyArn"}),
    checks=(
        matches("name", r"[a-zA-Z0-9_-]{2,50}", "2 to 50 letters, digits, _ and -"),
        matches("kmsKeyArn", ARN, "the ARN of a key"),
    ),
    create=Call("create_backup_vault", tags="BackupVaultTags"),
    read=Call("describe_backup_vault"),
    delete=_delete_vault,
    tags=TAGS,
)


def _read_lock(lock: Resource) -> dict[str, Any] | None:
    vault = lock.send("describe_backup_vault", BackupVaultName=lock.id)
    # AWS never returns changeableForDays.
    return {**vault, "ChangeableForDays": lock["changeableForDays"]} if vault.get("Locked") else None


LOCK = ResourceType(
    token="aws:backup/vaultLockConfiguration:VaultLockConfiguration",
    service="backup",
    shape="PutBackupVaultLockConfigurationInput",
    properties="backupVaultName! changeableForDays minRetentionDays maxRetentionDays",
    outputs="backupVaultArn=BackupVaultArn:string",
    identity="{BackupVaultName}",
    replace_on=frozenset({"backupVaultName", "changeableForDays", "minRetentionDays", "maxRetentionDays"}),
    checks=(between("changeableForDays", 3, 36_500),),
    create=Call("put_backup_vault_lock_configuration"),
    read=_read_lock,
    delete=Call("delete_backup_vault_lock_configuration"),
)


VAULT_POLICY = ResourceType(
    token="aws:backup/vaultPolicy:VaultPolicy",
    service="backup",
    shape="PutBackupVaultAccessPolicyInput",
    properties="backupVaultName! policy:json!",
    outputs="backupVaultArn=BackupVaultArn:string",
    identity="{BackupVaultName}",
    replace_on=frozenset({"backupVaultName"}),
    create=Call("put_backup_vault_access_policy"),
    read=Call("get_backup_vault_access_policy"),
    update=(("policy", Call("put_backup_vault_access_policy")),),
    delete=Call("delete_backup_vault_access_policy"),
    retries=("Provided principal is not valid",),
)


def _document(plan: Resource, operation: str) -> dict[str, Any]:
    """The whole plan, as AWS requires; lifecycle values of 0 are not sent."""
    arguments = plan.arguments(operation, "BackupPlan")
    rules = [RULE_DEFAULTS | rule for rule in arguments["BackupPlan"]["Rules"]]
    for rule in rules:
        for kept in (rule, *rule.get("CopyActions", ())):
            if "Lifecycle" in kept:
                kept["Lifecycle"] = {name: value for name, value in kept["Lifecycle"].items() if value}
    arguments["BackupPlan"]["Rules"] = rules
    return arguments


def _create_plan(plan: Resource) -> None:
    arguments = _document(plan, "create_backup_plan")
    plan.tagged = True
    answer = plan.send("create_backup_plan", BackupPlanTags=plan.wanted["tagsAll"], **arguments)
    plan.id = answer["BackupPlanId"]


def _read_plan(plan: Resource) -> dict[str, Any] | None:
    answer = plan.send("get_backup_plan", BackupPlanId=plan.id)
    return None if "DeletionDate" in answer else {**answer, **answer["BackupPlan"]}


def _update_plan(plan: Resource) -> None:
    plan.send("update_backup_plan", **_document(plan, "update_backup_plan"))


PLAN = ResourceType(
    token="aws:backup/plan:Plan",
    service="backup",
    shape="BackupPlanInput",
    properties="""name=BackupPlanName
                  rules:set!{ruleName! targetVaultName=TargetBackupVaultName! schedule=ScheduleExpression
                      scheduleExpressionTimezone startWindow=StartWindowMinutes completionWindow=CompletionWindowMinutes
                      enableContinuousBackup recoveryPointTags
                      lifecycle{coldStorageAfter=MoveToColdStorageAfterDays deleteAfter=DeleteAfterDays
                                optInToArchiveForSupportedResources}
                      copyActions:set{destinationVaultArn=DestinationBackupVaultArn!
                          lifecycle{coldStorageAfter=MoveToColdStorageAfterDays deleteAfter=DeleteAfterDays
                                    optInToArchiveForSupportedResources}}}""",
    outputs="arn=BackupPlanArn:string version=VersionId:string",
    identity="{BackupPlanId}",
    auto_name=AutoName("name", 255),
    computed=frozenset(
        {
            "rules[].startWindow",
            "rules[].completionWindow",
            "rules[].scheduleExpressionTimezone",
            "rules[].lifecycle.optInToArchiveForSupportedResources",
            "rules[].copyActions[].lifecycle.optInToArchiveForSupportedResources",
        }
    ),
    replace_on=frozenset({"name"}),
    renewed=frozenset({"version"}),
    create=_create_plan,
    read=_read_plan,
    update=(("rules", _update_plan),),
    # Its selections may be deleted at the same time.
    delete=Call("delete_backup_plan", retries=("Related backup plan selections must be deleted prior to backup",)),
    tags=TAGS,
)


def _selection(selection: Resource) -> dict[str, str] | None:
    """The plan and the id. An imported selection has the id `plan|selection`; else its plan is searched."""
    if "|" in selection.id:
        plan, selection.id = selection.id.split("|", 1)
        return {"BackupPlanId": plan, "SelectionId": selection.id}
    if plan := selection["planId"]:
        return {"BackupPlanId": plan, "SelectionId": selection.id}
    for found in selection.send("list_backup_plans")["BackupPlansList"]:
        listed = selection.send("list_backup_selections", BackupPlanId=found["BackupPlanId"])["BackupSelectionsList"]
        if selection.id in [one["SelectionId"] for one in listed]:
            return {"BackupPlanId": found["BackupPlanId"], "SelectionId": selection.id}
    return None


def _read_selection(selection: Resource) -> dict[str, Any] | None:
    named = _selection(selection)
    try:
        return named and {**named, **selection.send("get_backup_selection", **named)["BackupSelection"]}
    except Refused as error:
        if "Cannot find Backup plan" in error.message:
            return None
        raise


def _delete_selection(selection: Resource) -> None:
    named = _selection(selection)
    try:
        if named:
            selection.send("delete_backup_selection", **named)
    except Refused as error:
        if error.code != "InvalidParameterValueException":
            raise


SELECTION = ResourceType(
    token="aws:backup/selection:Selection",
    service="backup",
    shape="BackupSelection",
    properties="""name=SelectionName planId=BackupPlanId:string! iamRoleArn! resources:set notResources:set
                  selectionTags=ListOfTags:set{type=ConditionType! key=ConditionKey! value=ConditionValue!}
                  conditions:only{
                      stringEquals=Conditions.StringEquals:set{key=ConditionKey! value=ConditionValue!}
                      stringLikes=Conditions.StringLike:set{key=ConditionKey! value=ConditionValue!}
                      stringNotEquals=Conditions.StringNotEquals:set{key=ConditionKey! value=ConditionValue!}
                      stringNotLikes=Conditions.StringNotLike:set{key=ConditionKey! value=ConditionValue!}}""",
    auto_name=AutoName("name", 255),
    computed=frozenset({"notResources"}),
    replace_on=frozenset({"name", "planId", "iamRoleArn", "resources", "notResources", "selectionTags", "conditions"}),
    checks=(
        matches("name", r"[a-zA-Z0-9_.-]{1,50}", "1 to 50 letters, digits, _ . and -"),
        matches("iamRoleArn", ARN, "the ARN of a role"),
    ),
    create=Call("create_backup_selection", "BackupSelection", identifier="SelectionId"),
    read=_read_selection,
    delete=_delete_selection,
    retries=("cannot be assumed", "is not authorized to call"),
)

TYPES = (VAULT, LOCK, VAULT_POLICY, PLAN, SELECTION)
