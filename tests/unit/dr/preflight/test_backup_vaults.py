from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.findings import Status
from dr.preflight.backup_vaults import Held, judge, parse
from tests.support.builders import topology

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LAST = datetime(2026, 12, 31, 14, tzinfo=UTC)
PERMANENT = Held(
    name="ml-dr-backups",
    region="us-west-2",
    air_gapped=False,
    locked=True,
    permanent=NOW - timedelta(days=1),
    days=(7, None),
    points=40,
    last=LAST,
)
KEPT, GIVEN_UP = topology(), topology(protectData="false")


def test_a_permanently_locked_vault_with_recovery_points_says_how_many_until_when_and_what_to_do() -> None:
    found = judge(PERMANENT, GIVEN_UP, NOW)

    assert (found.name, found.status) == ("vault ml-dr-backups in us-west-2", Status.MISSED)
    assert found.measured.startswith("40 recovery points, kept until 2026-12-31 14:00 UTC; compliance lock, permanent")
    assert "`pulumi destroy` cannot delete it before" in found.measured
    assert found.hint.startswith("wait until 2026-12-31, or give the vault up")
    assert "docs/how-to/vaults.md" in found.hint


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"permanent": None}, "governance lock"),
        ({"permanent": NOW + timedelta(days=3)}, "compliance lock, permanent from 2026-12-02 12:00 UTC"),
        ({"locked": False, "permanent": None}, "no lock"),
    ],
)
def test_a_vault_with_a_lock_that_can_be_removed_is_deleted_with_its_recovery_points(
    changes: dict[str, Any], text: str
) -> None:
    found = judge(replace(PERMANENT, **changes), GIVEN_UP, NOW)

    assert (found.status, found.measured.partition("; ")[2]) == (Status.INFO, text)
    assert "`pulumi destroy` deletes it with its recovery points" in found.hint


def test_a_protected_deployment_is_not_warned_and_shows_the_same_facts() -> None:
    found = judge(PERMANENT, KEPT, NOW)

    assert found.status is Status.INFO
    assert found.measured.endswith("compliance lock, permanent. No one can delete it before")


def test_a_recovery_point_without_an_end_keeps_its_vault_for_ever() -> None:
    found = judge(replace(PERMANENT, last=None), GIVEN_UP, NOW)

    assert "kept without an end" in found.measured
    assert found.hint.startswith("it stays, or give the vault up")


def test_an_empty_vault_can_be_deleted() -> None:
    found = judge(replace(PERMANENT, points=0, last=None), GIVEN_UP, NOW)

    assert (found.status, found.measured) == (Status.INFO, "empty; compliance lock, permanent")


def test_bounds_of_an_air_gapped_vault_that_differ_from_the_configuration_are_missed() -> None:
    isolated = replace(PERMANENT, air_gapped=True, days=(7, 365))
    same, other = (topology(airGappedVault="recovery", airGappedMinDays=days) for days in ("7", "8"))

    assert judge(isolated, same, NOW).status is Status.INFO
    found = judge(isolated, other, NOW)
    assert (found.status, "accepts 7 to 365 days, and the configuration says 8 to 365" in found.measured) == (
        Status.MISSED,
        True,
    )
    assert "dr:airGappedMinDays 7" in found.hint


def test_an_air_gapped_vault_has_a_permanent_lock_whether_or_not_aws_names_its_date() -> None:
    found = judge(replace(PERMANENT, air_gapped=True, permanent=None, days=(7, 365)), GIVEN_UP, NOW)

    assert found.status is Status.MISSED
    assert "logically air-gapped, with a permanent lock. `pulumi destroy` cannot delete it before" in found.measured


def test_the_end_of_recovery_points_is_the_latest_and_unknown_if_one_has_none() -> None:
    vault = {"BackupVaultName": "a", "Locked": False, "LockDate": NOW}
    first = {"CreationDate": NOW, "Lifecycle": {"DeleteAfterDays": 7}}
    second = {"CreationDate": NOW, "CalculatedLifecycle": {"DeleteAt": NOW + timedelta(days=35)}}

    assert parse("us-west-2", vault, [first, second]).last == NOW + timedelta(days=35)
    assert parse("us-west-2", vault, [first, second]).permanent is None, "the date of a lock that was removed"
    for endless in ({"CreationDate": NOW}, {"CreationDate": NOW, "Lifecycle": {"DeleteAfterDays": -1}}):
        assert parse("us-west-2", vault, [first, endless]).last is None
