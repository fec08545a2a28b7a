import json

import pytest

from components.data.backup_rules import VaultLock
from components.data.backup_vault import BackupVault, BackupVaultArgs
from dr.topology.topology import LockMode
from tests.support.mocks import Cloud, deploy

KEY = "arn:aws:kms:us-west-2:123456789012:key/1"
ADMIN = "arn:aws:iam::123456789012:role/break-glass"


def args(**changes: object) -> BackupVaultArgs:
    return BackupVaultArgs(**{"name": "ml-dr", "region": "us-west-2", "key_arn": KEY, **changes})  # type: ignore[arg-type]


def vault(**changes: object) -> Cloud:
    return deploy(lambda: BackupVault("recovery", args(**changes)))


def test_a_vault_is_in_its_region_and_encrypted_with_the_given_key() -> None:
    made = vault(tags={"owner": "ml"}).one("Vault", "recovery-vault")

    assert (made["name"], made["region"], made["kmsKeyArn"]) == ("ml-dr", "us-west-2", KEY)
    assert made["tags"] == {"owner": "ml"}
    assert made["forceDestroy"] is False


def test_a_protected_vault_is_protected_and_retained_on_delete() -> None:
    made = vault().of("Vault")["recovery-vault"]

    assert made.protect
    assert made.retain_on_delete


def test_force_destroy_deletes_a_vault_with_its_recovery_points() -> None:
    made = vault(protect=False, force_destroy=True).of("Vault")["recovery-vault"]

    assert not made.protect
    assert not made.retain_on_delete
    assert made.inputs["forceDestroy"] is True


def test_a_vault_has_no_lock_and_no_access_policy_by_default() -> None:
    assert [made.type for made in vault().resources] == ["aws:backup/vault:Vault"]


def test_a_governance_lock_has_no_grace_time() -> None:
    made = vault(lock=VaultLock(7, 365)).one("VaultLockConfiguration", "recovery-lock")

    assert made == {
        "backupVaultName": "ml-dr",
        "minRetentionDays": 7,
        "maxRetentionDays": 365,
        "region": "us-west-2",
    }


def test_a_compliance_lock_has_its_grace_time() -> None:
    lock = VaultLock(7, mode=LockMode.COMPLIANCE, changeable_for_days=14)

    assert vault(lock=lock).one("VaultLockConfiguration", "recovery-lock")["changeableForDays"] == 14


def test_the_lock_of_a_protected_vault_is_retained_and_can_be_changed() -> None:
    made = vault(lock=VaultLock(7)).of("VaultLockConfiguration")["recovery-lock"]

    assert made.retain_on_delete
    assert not made.protect


def test_only_admins_may_delete_recovery_points_or_change_the_access_policy() -> None:
    made = vault(admins=[ADMIN]).of("VaultPolicy")["recovery-policy"]
    (statement,) = json.loads(made.inputs["policy"])["Statement"]

    assert made.inputs["region"] == "us-west-2"
    assert made.protect
    assert (statement["Effect"], statement["Principal"], statement["Resource"]) == ("Deny", "*", "*")
    assert set(statement["Action"]) == {
        "backup:DeleteRecoveryPoint",
        "backup:UpdateRecoveryPointLifecycle",
        "backup:PutBackupVaultAccessPolicy",
        "backup:DeleteBackupVaultAccessPolicy",
        "backup:DeleteBackupVaultLockConfiguration",
    }
    assert statement["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": [ADMIN]}}


@pytest.mark.parametrize("admin", ["*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:root", "admin"])
def test_an_admin_that_is_not_one_principal_is_refused(admin: str) -> None:
    with pytest.raises(ValueError, match="is not the ARN of one role or user"):
        args(admins=[admin])


@pytest.mark.parametrize("name", ["a", "a" * 51, "ml dr", "ml.dr"])
def test_a_name_that_aws_rejects_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="2 to 50 letters, digits, _ and -; rename the vault"):
        args(name=name)


def test_protect_and_force_destroy_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="has both protect and force_destroy set"):
        args(force_destroy=True)


def test_outputs_are_the_vaults_name_and_arn() -> None:
    outputs: list[str] = []

    def build() -> None:
        made = BackupVault("recovery", args())
        made.vault_name.apply(outputs.append)
        made.arn.apply(outputs.append)

    deploy(build)

    assert sorted(outputs) == ["arn:aws:backup:us-west-2:123456789012:backup-vault:ml-dr", "ml-dr"]
