"""The vaults of the deployed primary stack, read back with boto3, and what their lock and access policy refuse."""

from __future__ import annotations

import json

import pytest

from tests.support.sandbox import SandboxUnderTest

pytestmark = pytest.mark.engine

EAST, WEST = "us-east-1", "us-west-2"
VAULTS = [(EAST, "ml-dr-backups"), (EAST, "ml-dr-copies"), (WEST, "ml-dr-backups"), (WEST, "ml-dr-local")]


@pytest.mark.parametrize(("region", "vault"), VAULTS)
def test_vault_is_locked_by_a_governance_lock_and_denies_deletion_to_everyone(
    region: str, vault: str, primary_alone: SandboxUnderTest
) -> None:
    backup = primary_alone.client("backup", region)
    found = backup.describe_backup_vault(BackupVaultName=vault)
    (statement,) = json.loads(backup.get_backup_vault_access_policy(BackupVaultName=vault)["Policy"])["Statement"]

    assert (found["Locked"], found["MinRetentionDays"], "LockDate" in found) == (True, 7, False)
    assert (statement["Effect"], "Condition" in statement) == ("Deny", False)
