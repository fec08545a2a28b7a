"""Vaults that cannot be deleted, as `dr preflight` reads them from the emulator."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from dr.findings import Finding, Status
from dr.preflight import backup_vaults
from dr.preflight.check import Subject
from dr.topology.topology import Role
from sandbox.aws.faults import parse
from sandbox.local import ROOT
from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import make_role
from tests.support.buckets import PRIMARY, RECOVERY
from tests.support.builders import topology


def found(role: Role = Role.PRIMARY, **changes: str) -> dict[str, Finding]:
    made = topology(role, airGappedVault="recovery", **changes)
    return {each.name: each for each in backup_vaults.look(Subject(made, "primary", ROOT))}


@pytest.mark.usefixtures("aws")
def test_deployment_without_vaults_has_none_to_describe() -> None:
    assert [each.measured for each in found().values()] == ["none exists yet"]
    assert [each.measured for each in found(Role.RECOVERY).values()] == ["the primary stack owns them"]


def test_a_vault_with_a_permanent_lock_is_named_with_its_recovery_points_and_their_end(
    aws: Running, control: Callable[..., Any]
) -> None:
    backup = aws.client("backup", RECOVERY)
    made = {"BackupVaultName": "ml-dr-backups"}
    backup.create_backup_vault(**made)
    backup.create_logically_air_gapped_backup_vault(
        BackupVaultName="ml-dr-air-gapped", MinRetentionDays=7, MaxRetentionDays=365
    )
    aws.client("s3", RECOVERY).create_bucket(Bucket="one", CreateBucketConfiguration={"LocationConstraint": RECOVERY})
    job = backup.start_backup_job(
        **made,
        ResourceArn="arn:aws:s3:::one",
        IamRoleArn=make_role(aws, "backup", "backup.amazonaws.com"),
        Lifecycle={"DeleteAfterDays": 35},
    )
    created = backup.describe_backup_job(BackupJobId=job["BackupJobId"])["CreationDate"]
    backup.put_backup_vault_lock_configuration(**made, MinRetentionDays=7)
    name = f"vault ml-dr-backups in {RECOVERY}"

    shown = found(protectData="false")
    end = created + datetime.timedelta(days=35)
    assert shown[name].status is Status.INFO
    assert shown[name].measured == f"1 recovery points, kept until {end:%Y-%m-%d %H:%M} UTC; governance lock"
    assert shown[f"vault ml-dr-air-gapped in {RECOVERY}"].measured.startswith("empty; logically air-gapped")

    with pytest.raises(Exception, match="cannot be deleted as it contains recovery points"):
        backup.delete_backup_vault(**made)


def test_a_lost_region_is_unknown_and_the_other_one_is_described(aws: Running) -> None:
    aws.client("backup", RECOVERY).create_backup_vault(BackupVaultName="ml-dr-backups")
    aws.emulator.faults.add(parse({"kind": "region", "region": PRIMARY, "unreachable": True}))
    shown = found()

    assert shown[f"vault ml-dr-backups in {PRIMARY}"].status is Status.UNKNOWN
    assert shown[f"vault ml-dr-backups in {RECOVERY}"].measured == "empty; no lock"
