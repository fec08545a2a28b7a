"""Recovery points of a vault, as moto and AWS Backup list them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dr import clients
from dr.data import recovery_points
from dr.data.recovery_points import newest_of_class
from dr.errors import DrError
from dr.topology.backups import DataClass

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
WEST, VAULT = "us-west-2", "ml-dr-backups"


def point(kind: str, hours: float, status: str = "COMPLETED") -> dict[str, Any]:
    created = NOW - timedelta(hours=hours)
    named = {"RecoveryPointArn": f"{kind}-{hours}", "BackupVaultName": VAULT, "ResourceArn": f"arn:of:{kind}"}
    return {**named, "ResourceType": kind, "CreationDate": created, "Status": status}


class Backup:
    """AWS Backup with two pages of recovery points."""

    def __init__(self, *points: dict[str, Any]) -> None:
        self.points = points

    def get_paginator(self, name: str) -> Any:
        assert name == "list_recovery_points_by_backup_vault"
        return self

    def paginate(self, BackupVaultName: str) -> Any:  # noqa: N803 - boto3's name
        assert BackupVaultName == VAULT
        return [{"RecoveryPoints": self.points[:2]}, {"RecoveryPoints": self.points[2:]}]


def test_the_newest_complete_copy_of_each_class_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [point("S3", 30), point("S3", 3), point("S3", 1, "PARTIAL"), point("EC2", 5), point("EKS", 1)]
    monkeypatch.setattr(recovery_points, "client", lambda service, region: Backup(*points))

    assert newest_of_class(recovery_points.read(WEST, VAULT)) == {
        DataClass.OBJECTS: NOW - timedelta(hours=3),
        DataClass.VOLUMES: NOW - timedelta(hours=5),
    }


@mock_aws
def test_a_vault_says_when_it_was_created_and_one_that_does_not_exist_is_an_error() -> None:
    clients.forget()
    backup = boto3.client("backup", WEST)
    backup.create_backup_vault(BackupVaultName=VAULT)
    (listed,) = backup.list_backup_vaults()["BackupVaultList"]

    assert abs(recovery_points.vault_created(WEST, VAULT) - listed["CreationDate"]) < timedelta(milliseconds=1)
    with pytest.raises(DrError, match="elsewhere"):
        recovery_points.vault_created(WEST, "elsewhere")
