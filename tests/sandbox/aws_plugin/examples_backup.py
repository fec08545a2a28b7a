"""Examples of AWS Backup's types, and of a managed policy attached to a role."""

from __future__ import annotations

from typing import Any

from tests.sandbox.aws_plugin.examples import KEY, ROLE, TAGS, Example, Inputs, document, trust

VAULT = "aws:backup/vault:Vault"
LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
VAULT_POLICY = "aws:backup/vaultPolicy:VaultPolicy"
AIR_GAPPED = "aws:backup/logicallyAirGappedVault:LogicallyAirGappedVault"
PLAN = "aws:backup/plan:Plan"
SELECTION = "aws:backup/selection:Selection"
TESTING_PLAN = "aws:backup/restoreTestingPlan:RestoreTestingPlan"
TESTING_SELECTION = "aws:backup/restoreTestingSelection:RestoreTestingSelection"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"

MANAGED = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
COPY = "arn:aws:backup:us-west-2:123456789012:backup-vault:copies"


def _vault(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {"name": name, "kmsKeyArn": engine.make(KEY, name).state["arn"]}
    return {**plain, "tags": TAGS}, {**plain, "tags": {"team": "ml"}}


def _air_gapped(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {"name": name, "minRetentionDays": 7, "maxRetentionDays": 365}
    return {**plain, "tags": TAGS}, {**plain, "tags": {"team": "ml"}}


def _lock(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    vault = engine.make(VAULT, name, name=name).id
    locked = {"backupVaultName": vault, "minRetentionDays": 7, "maxRetentionDays": 365, "changeableForDays": 30}
    return locked, locked  # no property can be changed in place


def _vault_policy(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    vault = engine.make(VAULT, name, name=name).id
    actions = ("backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle")
    first, second = (document(action, Principal="*", Effect="Deny") for action in actions)
    return {"backupVaultName": vault, "policy": first}, {"backupVaultName": vault, "policy": second}


def rules(days: int) -> list[Inputs]:
    """Two rules, one of them copied to another region."""
    daily = {
        "ruleName": "daily",
        "targetVaultName": "data",
        "schedule": "cron(0 2 * * ? *)",
        "startWindow": 60,
        "lifecycle": {"deleteAfter": days},
        "copyActions": [{"destinationVaultArn": COPY, "lifecycle": {"deleteAfter": 90}}],
    }
    yearly = {"ruleName": "yearly", "targetVaultName": "data", "schedule": "cron(0 3 1 1 ? *)"}
    return [daily, yearly | {"lifecycle": {"coldStorageAfter": 30, "deleteAfter": 365}}]


def _plan(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    return {"name": name, "rules": rules(30), "tags": TAGS}, {"name": name, "rules": rules(60), "tags": TAGS}


def _selection(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    selected = {
        "planId": engine.make(PLAN, name, name=name, rules=rules(30)).id,
        "iamRoleArn": engine.make(ROLE, name, assumeRolePolicy=trust("backup.amazonaws.com")).state["arn"],
        "name": "tagged",
        "selectionTags": [{"type": "STRINGEQUALS", "key": "backup", "value": "enabled"}],
    }
    return selected, selected  # no property can be changed in place


def _testing_plan(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    points = {"algorithm": "LATEST_WITHIN_WINDOW", "includeVaults": ["*"], "recoveryPointTypes": ["SNAPSHOT"]}
    plain = {"name": name.replace("-", "_"), "recoveryPointSelection": points, "tags": TAGS}
    first, second = ("cron(0 6 1 * ? *)", "cron(0 6 ? * SUN *)")
    return {**plain, "scheduleExpression": first}, {**plain, "scheduleExpression": second}


def _testing_selection(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plan = engine.make(TESTING_PLAN, name, **_testing_plan(engine, name)[0]).id
    plain = {
        "name": "s3",
        "restoreTestingPlanName": plan,
        "protectedResourceType": "S3",
        "protectedResourceArns": ["*"],
        "iamRoleArn": engine.make(ROLE, name, assumeRolePolicy=trust("backup.amazonaws.com")).state["arn"],
    }
    return {**plain, "validationWindowHours": 4}, {**plain, "validationWindowHours": 8}


def _attachment(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    role = engine.make(ROLE, name, assumeRolePolicy=trust("backup.amazonaws.com")).id
    attached = {"role": role, "policyArn": MANAGED}
    return attached, attached  # no property can be changed in place


def _profile(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first, second = (
        engine.make(ROLE, f"{name}-{number}", assumeRolePolicy=trust("ec2.amazonaws.com")).id for number in range(2)
    )
    plain = {"name": name, "tags": TAGS}
    return {**plain, "role": first}, {**plain, "role": second}


EXAMPLES_BACKUP = {
    "vault": Example(VAULT, _vault, frozenset({'tags["dr:role"]', 'tagsAll["dr:role"]'})),
    "air-gapped-vault": Example(AIR_GAPPED, _air_gapped, frozenset({'tags["dr:role"]', 'tagsAll["dr:role"]'})),
    "vault-lock": Example(LOCK, _lock, frozenset()),
    "vault-policy": Example(VAULT_POLICY, _vault_policy, frozenset({"policy"})),
    "plan": Example(PLAN, _plan, frozenset({"rules"})),
    "selection": Example(SELECTION, _selection, frozenset()),
    "restore-testing-plan": Example(TESTING_PLAN, _testing_plan, frozenset({"scheduleExpression"})),
    "restore-testing-selection": Example(TESTING_SELECTION, _testing_selection, frozenset({"validationWindowHours"})),
    "attachment": Example(ATTACHMENT, _attachment, frozenset()),
    "instance-profile": Example("aws:iam/instanceProfile:InstanceProfile", _profile, frozenset({"role"})),
}
