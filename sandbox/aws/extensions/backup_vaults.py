"""AWS Backup: vaults with their access policies and locks, and their recovery points.

Source: the API reference in botocore's service model; error messages from public reports where they are known.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from moto.backup.models import Vault, backup_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import air_gapped, recovery_points
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.backup import wrong
from sandbox.aws.extensions.iam import caller, listed, principal_of


@answers("backup", "DescribeBackupVault")
def describe_vault(call: Call, moto: Moto) -> dict[str, Any]:
    """Add the number of recovery points and the type of the vault, which moto leaves out."""
    return _shown(_vault(call))


def _shown(vault: Vault) -> dict[str, Any]:
    held = len(recovery_points.points(vault))
    return {**vault.to_list_dict(), **air_gapped.shown(vault), "NumberOfRecoveryPoints": held}


@answers("backup", "ListBackupVaults")
def list_vaults(call: Call, moto: Moto) -> dict[str, Any]:
    """List vaults with their types, of one type if it is asked for."""
    wanted = call.parameters.get("ByVaultType")
    listed = [_shown(vault) for vault in backup_backends[ACCOUNT][call.region].vaults.values()]
    return {"BackupVaultList": [each for each in listed if wanted in (None, each["VaultType"])]}


@answers("backup", "DeleteBackupVault")
def delete_vault(call: Call, moto: Moto) -> Answer:
    if recovery_points.points(_vault(call)):
        name = call.parameters["BackupVaultName"]
        raise AwsError(
            "InvalidRequestException", f"Backup vault {name} cannot be deleted as it contains recovery points"
        )
    return moto()


@answers("backup", "ListRecoveryPointsByBackupVault")
def list_recovery_points(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters.get("ByResourceType")
    now, found = clock.now(), recovery_points.points(_vault(call))
    return {
        "RecoveryPoints": [recovery_points.shown(each, now) for each in found if wanted in (None, each["ResourceType"])]
    }


@answers("backup", "DeleteRecoveryPoint")
def delete_recovery_point(call: Call, moto: Moto) -> dict[str, Any]:
    _refuse_denied(call)
    wanted = call.parameters["RecoveryPointArn"]
    _refuse_locked(call, wanted)
    recovery_points.remove(_vault(call), wanted)
    return {}


@answers("backup", "UpdateRecoveryPointLifecycle")
def update_recovery_point(call: Call, moto: Moto) -> dict[str, Any]:
    _refuse_denied(call)
    wanted = call.parameters["RecoveryPointArn"]
    point = _refuse_locked(call, wanted)
    point["Lifecycle"] = call.parameters.get("Lifecycle", {})
    return {"BackupVaultArn": point["BackupVaultArn"], "RecoveryPointArn": wanted, "Lifecycle": point["Lifecycle"]}


def _refuse_locked(call: Call, wanted: str) -> dict[str, Any]:
    """Return a recovery point that may be changed.

    A lock denies each attempt to delete a recovery point or to change its lifecycle, of any user (AWS Backup developer
    guide, "AWS Backup Vault Lock"). The text of the message is not documented.
    """
    vault = _vault(call)
    point = recovery_points.by_arn(vault).get(wanted)
    if point is None:
        raise AwsError("ResourceNotFoundException", f"Cannot find recovery point {wanted}")
    if vault.locked:
        raise AwsError("InvalidRequestException", f"Backup vault {vault.backup_vault_name} is locked")
    return point


def _refuse_denied(call: Call) -> None:
    """Apply the Deny statements of the vault's access policy; all other access is allowed in the sandbox."""
    vault, who = _vault(call), principal_of(caller(call))
    for statement in json.loads(vars(vault).get("access_policy", "{}")).get("Statement", []):
        denied = statement["Effect"] == "Deny" and call.name in listed(statement["Action"])
        excepted = statement.get("Condition", {}).get("ArnNotLike", {}).get("aws:PrincipalArn", [])
        if denied and not any(fnmatch.fnmatchcase(who, arn) for arn in listed(excepted)):
            raise AwsError(
                "AccessDeniedException",
                f"User: {caller(call)} is not authorized to perform: {call.name} on resource: "
                f"{vault.backup_vault_arn} with an explicit deny in a resource-based policy",
            )


@answers("backup", "DeleteBackupVaultLockConfiguration")
def unlock_vault(call: Call, moto: Moto) -> Answer:
    _refuse_denied(call)
    return moto()


@answers("backup", "PutBackupVaultLockConfiguration")
def lock_vault(call: Call, moto: Moto) -> Answer:
    """Allow a change to a lock without a date before the lock date of a compliance lock."""
    answer = moto()
    if answer.status < 300 and "ChangeableForDays" not in call.parameters:
        _vault(call).lock_date = None
    return answer


@answers("backup", "PutBackupVaultAccessPolicy")
def put_policy(call: Call, moto: Moto) -> dict[str, Any]:
    _refuse_denied(call)
    vault, policy = _vault(call), call.parameters.get("Policy", "")
    try:
        json.loads(policy)
    except ValueError as error:
        raise wrong(f"The policy is not JSON: {error}") from error
    vars(vault)["access_policy"] = policy
    return {}


@answers("backup", "GetBackupVaultAccessPolicy")
def get_policy(call: Call, moto: Moto) -> dict[str, Any]:
    vault = _vault(call)
    if "access_policy" not in vars(vault):
        raise AwsError("ResourceNotFoundException", f"Backup vault {vault.backup_vault_name} has no access policy")
    return {
        "BackupVaultName": vault.backup_vault_name,
        "BackupVaultArn": vault.backup_vault_arn,
        "Policy": vars(vault)["access_policy"],
    }


@answers("backup", "DeleteBackupVaultAccessPolicy")
def delete_policy(call: Call, moto: Moto) -> dict[str, Any]:
    _refuse_denied(call)
    vars(_vault(call)).pop("access_policy", None)
    return {}


def _vault(call: Call) -> Vault:
    name = call.parameters["BackupVaultName"]
    vault = backup_backends[ACCOUNT][call.region].vaults.get(name)
    if vault is None:
        raise AwsError("ResourceNotFoundException", f"Backup vault {name} not found")
    return vault
