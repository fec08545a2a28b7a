"""Rules on backup plans."""

from __future__ import annotations

import json

from .model import UNKNOWN, Facts, Resource, Rule, Stack, items, look, role_of, shown

PLAN, SELECTION = "aws:backup/plan:Plan", "aws:backup/selection:Selection"
AIR_GAPPED = "aws:backup/logicallyAirGappedVault:LogicallyAirGappedVault"
VAULT, VAULT_POLICY = "aws:backup/vault:Vault", "aws:backup/vaultPolicy:VaultPolicy"
ARN_OF = {
    "aws:s3/bucket:Bucket": ("arn:aws:s3:",),
    "aws:ebs/volume:Volume": ("arn:aws:ec2:", "volume/"),
    "aws:rds/cluster:Cluster": ("arn:aws:rds:", ":cluster:"),
    "aws:rds/instance:Instance": ("arn:aws:rds:", ":db:"),
    "aws:efs/fileSystem:FileSystem": ("arn:aws:elasticfilesystem:", "file-system/"),
    "aws:fsx/lustreFileSystem:LustreFileSystem": ("arn:aws:fsx:", "file-system/"),
    "aws:dynamodb/table:Table": ("arn:aws:dynamodb:", "table/"),
}
"""Parts of the ARN of each type that holds data and that AWS Backup can select by tag."""
STATEFUL = tuple(ARN_OF)
TAG_KEY = "aws:ResourceTag/backup"


def copies(plan: Resource) -> Facts:
    """Check that each rule of a plan copies to a vault in another region."""
    for rule in items(plan.look("rules")):
        actions = look(rule, "copyActions")
        if actions is UNKNOWN:
            continue
        targets = [look(each, "destinationVaultArn") for each in actions or []]
        # arn:aws:backup:REGION:ACCOUNT:backup-vault:NAME; an unknown ARN may be in another region.
        if not any(arn is UNKNOWN or str(arn).split(":")[3:4] not in ([], [plan.region]) for arn in targets):
            yield f"rule {shown(look(rule, 'ruleName'))} has no copy in a region other than {plan.region}"


def has_retention(plan: Resource) -> Facts:
    """Check that each rule of a plan, and each of its copies, has a retention."""
    for rule in items(plan.look("rules")):
        name = shown(look(rule, "ruleName"))
        if not look(rule, "lifecycle.deleteAfter"):
            yield f"rule {name} has no lifecycle.deleteAfter"
        if any(not look(each, "lifecycle.deleteAfter") for each in items(look(rule, "copyActions"))):
            yield f"a copy of rule {name} has no lifecycle.deleteAfter"


def names_types(selection: Resource) -> Facts:
    """Check that a selection names resources by ARN."""
    arns = selection.look("resources")
    if arns is not UNKNOWN and (not arns or "*" in arns):
        yield f"resources is {shown(arns)}"


def is_selected(resource: Resource, stack: Stack) -> Facts:
    """Check that a selection of the stack names the resource's type and its tag.

    A replica is selected only while applications write to it. A recovery stack without a cluster runs no plan.
    """
    tag = resource.look("tags.backup")
    selections = [each for each in stack if each.type == SELECTION]
    if tag != "enabled" or (not selections and role_of(stack) != "primary"):
        return
    if any(selects(each, resource.type, tag) for each in selections):
        return
    yield f"no backup selection of the stack names {resource.type.rpartition(':')[2]} with the tag backup={tag}"


def selects(selection: Resource, kind: str, tag: str) -> bool:
    """Return whether a selection names a type and a value of the tag `backup`, or may."""
    arns = selection.look("resources")
    if arns is UNKNOWN:
        return True
    if not any(arn is UNKNOWN or all(part in arn for part in ARN_OF[kind]) for arn in arns or []):
        return False
    conditions = selection.look("conditions")
    if conditions is UNKNOWN:
        return True
    equal = [each for condition in items(conditions) for each in items(look(condition, "stringEquals"))]
    return any(look(each, "key") in (TAG_KEY, UNKNOWN) and look(each, "value") in (tag, UNKNOWN) for each in equal)


def has_policy(vault: Resource, stack: Stack) -> Facts:
    """Check that a vault has an access policy."""
    if not any(each.type == VAULT_POLICY and each.names("backupVaultName", vault, "name") for each in stack):
        yield "the vault has no VaultPolicy"


def denies_deletion(policy: Resource) -> Facts:
    """Check that a vault's access policy denies deleting recovery points and changing their lifecycle."""
    document = policy.look("policy")
    if document is UNKNOWN:
        return
    parsed = json.loads(document) if isinstance(document, str) else document
    denied: set[str] = set()
    for statement in items(look(parsed, "Statement")):
        if look(statement, "Effect") == "Deny" and look(statement, "Principal") == "*":
            actions = look(statement, "Action")
            denied |= set(actions if isinstance(actions, list) else [actions])
    for action in ("backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"):
        if action not in denied:
            yield f"policy does not deny {action} to every principal"


def accepts_copies(vault: Resource, stack: Stack) -> Facts:
    """Check that every copy to an air-gapped vault has a retention that the vault accepts."""
    name, least, most = vault.look("name"), vault.look("minRetentionDays"), vault.look("maxRetentionDays")
    if UNKNOWN in (name, least, most):
        return
    for plan in (each for each in stack if each.type == PLAN):
        for rule in items(plan.look("rules")):
            for copy in items(look(rule, "copyActions")):
                target, days = look(copy, "destinationVaultArn"), look(copy, "lifecycle.deleteAfter")
                if UNKNOWN in (target, days) or not str(target).endswith(f":backup-vault:{name}"):
                    continue
                if not days or not least <= days <= most:
                    kept = f"{days:g} days" if days else "ever"
                    text = f"keeps its copy for {kept}, and the vault accepts {least:g} to {most:g}"
                    yield f"rule {shown(look(rule, 'ruleName'))} {text}"


RULES = (
    Rule(
        name="backup-covers-every-resource-with-data",
        requirement="A backup selection must name the type and the tag of every resource that holds data.",
        reason="a resource that no plan selects is lost with its region, and no alarm reports it",
        remedy="add the type to RESOURCE_TYPES of components/data/backup_plan.py",
        types=STATEFUL,
        check_in_stack=is_selected,
    ),
    Rule(
        name="backup-vault-has-access-policy",
        requirement="A backup vault must have an access policy.",
        reason="without it each identity with backup permissions may delete recovery points",
        remedy="set admins of BackupVaultArgs",
        types=(VAULT, AIR_GAPPED),
        check_in_stack=has_policy,
    ),
    Rule(
        name="backup-air-gapped-vault-accepts-copies",
        requirement="Every copy to an air-gapped vault must have a retention within the vault's bounds.",
        reason="AWS Backup fails every other copy, and the bounds of the vault can never be changed",
        remedy="change lifecycle.deleteAfter of the copy action",
        types=(AIR_GAPPED,),
        check_in_stack=accepts_copies,
    ),
    Rule(
        name="backup-vault-policy-denies-deletion",
        requirement="The access policy of a backup vault must deny the deletion and shortening of recovery points.",
        reason="an identity that deploys could delete backups and their copies alike",
        remedy="use keep_recovery_points of components/iam.py",
        types=(VAULT_POLICY,),
        check=denies_deletion,
    ),
    Rule(
        name="backup-plan-copies-to-another-region",
        requirement="Every rule of a backup plan must copy to another region.",
        reason="a backup in the region of its data is lost with that region",
        remedy="add a copyAction to the vault of the other region",
        types=(PLAN,),
        check=copies,
    ),
    Rule(
        name="backup-plan-retention",
        requirement="Every rule of a backup plan, and every copy, must have a retention.",
        reason="without it recovery points are kept, and charged, for ever",
        remedy="set lifecycle.deleteAfter in days",
        types=(PLAN,),
        check=has_retention,
    ),
    Rule(
        name="backup-selection-names-resource-types",
        requirement="A backup selection must name resources or resource types by ARN.",
        reason="a selection by tag alone, or of *, omits every type that the region has not opted in to, such as S3",
        remedy="set resources, for example arn:aws:s3:::*, and filter them by conditions",
        types=(SELECTION,),
        check=names_types,
    ),
)
