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


def test_a_vault_is_in_its_region_under_its_own_key() -> None:
    made = vault(tags={"owner": "ml"}).one("Vault", "recovery-vault")

    assert (made["name"], made["region"], made["kmsKeyArn"]) == ("ml-dr", "us-west-2", KEY)
    assert made["tags"] == {"owner": "ml"}
    assert made["forceDestroy"] is False


def test_a_protected_vault_is_guarded_and_kept() -> None:
    made = vault().of("Vault")["recovery-vault"]

    assert made.protect
    assert made.retain_on_delete


def test_a_vault_of_tests_goes_with_what_it_holds() -> None:
    made = vault(protect=False, force_destroy=True).of("Vault")["recovery-vault"]

    assert not made.protect
    assert not made.retain_on_delete
    assert made.inputs["forceDestroy"] is True


def test_a_vault_has_no_lock_and_no_policy_unless_asked_for() -> None:
    assert [made.type for made in vault().made] == ["aws:backup/vault:Vault"]


def test_a_governance_lock_has_no_grace() -> None:
    made = vault(lock=VaultLock(7, 365)).one("VaultLockConfiguration", "recovery-lock")

    assert made == {
        "backupVaultName": "ml-dr",
        "minRetentionDays": 7,
        "maxRetentionDays": 365,
        "region": "us-west-2",
    }


def test_a_compliance_lock_has_its_grace() -> None:
    lock = VaultLock(7, mode=LockMode.COMPLIANCE, changeable_for_days=14)

    assert vault(lock=lock).one("VaultLockConfiguration", "recovery-lock")["changeableForDays"] == 14


def test_the_lock_of_a_protected_vault_stays_on_when_it_is_removed_from_the_program_and_can_be_changed() -> None:
    made = vault(lock=VaultLock(7)).of("VaultLockConfiguration")["recovery-lock"]

    assert made.retain_on_delete
    assert not made.protect


def test_only_the_admins_may_delete_recovery_points_or_change_who_may() -> None:
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
    }
    assert statement["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": [ADMIN]}}


@pytest.mark.parametrize("admin", ["*", "arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:root", "admin"])
def test_an_admin_that_is_not_one_principal_is_refused(admin: str) -> None:
    with pytest.raises(ValueError, match="is not the ARN of one role or user"):
        args(admins=[admin])


@pytest.mark.parametrize("name", ["a", "a" * 51, "ml dr", "ml.dr"])
def test_a_name_that_aws_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="2 to 50 letters, digits, _ and -; rename it"):
        args(name=name)


def test_a_vault_that_is_both_protected_and_to_be_destroyed_is_refused() -> None:
    with pytest.raises(ValueError, match="choose one of the two"):
        args(force_destroy=True)


def test_outputs_are_what_plans_name() -> None:
    seen: list[str] = []

    def build() -> None:
        made = BackupVault("recovery", args())
        made.vault_name.apply(seen.append)
        made.arn.apply(seen.append)

    deploy(build)

    assert sorted(seen) == ["arn:aws:backup:us-west-2:123456789012:backup-vault:ml-dr", "ml-dr"]
