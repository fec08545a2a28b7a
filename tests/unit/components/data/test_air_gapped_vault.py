import json

import pytest

from components.data.air_gapped_vault import AirGappedVault, AirGappedVaultArgs
from tests.support.mocks import Cloud, deploy

ADMIN = "arn:aws:iam::123456789012:role/break-glass"
TYPE = "LogicallyAirGappedVault"


def args(**changes: object) -> AirGappedVaultArgs:
    values = {"name": "ml-dr", "region": "us-west-2", "min_days": 7, "max_days": 365, **changes}
    return AirGappedVaultArgs(**values)  # type: ignore[arg-type]


def vault(**changes: object) -> Cloud:
    return deploy(lambda: AirGappedVault("isolated", args(**changes)))


def test_a_vault_has_its_bounds_and_no_key_of_this_account() -> None:
    made = vault(tags={"owner": "ml"}).one(TYPE, "isolated-vault")

    assert (made["name"], made["region"], made["tags"]) == ("ml-dr", "us-west-2", {"owner": "ml"})
    assert (made["minRetentionDays"], made["maxRetentionDays"]) == (7, 365)
    assert "encryptionKeyArn" not in made


@pytest.mark.parametrize("protect", [True, False])
def test_a_vault_and_its_policy_are_protected_and_retained_while_data_is_protected(protect: bool) -> None:
    cloud = vault(protect=protect)

    for made in (cloud.of(TYPE)["isolated-vault"], cloud.of("VaultPolicy")["isolated-policy"]):
        assert bool(made.protect) is bool(made.retain_on_delete) is protect


def test_access_policy_denies_deletion_to_all_but_the_admins() -> None:
    (statement,) = json.loads(vault(admins=[ADMIN]).one("VaultPolicy", "isolated-policy")["policy"])["Statement"]

    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert "backup:DeleteRecoveryPoint" in statement["Action"]
    assert statement["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": [ADMIN]}}


@pytest.mark.parametrize("days", [(6, 365), (30, 29), (7, 36_501)])
def test_bounds_that_aws_refuses_are_refused(days: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="AWS Backup accepts 7 to 36500"):
        args(min_days=days[0], max_days=days[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"name": "ml dr"}, "2 to 50 letters"), ({"admins": ["*"]}, "is not the ARN of one role or user")],
)
def test_name_or_admin_that_is_not_valid_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        args(**changes)
