"""Copies of each class of data that a vault is to receive, and what the checks make of them while none arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from dr import clients
from dr.clients import Unreachable
from dr.data import global_database, recovery_points
from dr.data.recovery_points import Point
from dr.data.volume_coverage import Coverage, Selected
from dr.errors import Problem
from dr.findings import Finding, Status
from dr.operations import awaited_copies, readiness_backups
from dr.operations.inspected import Inspected
from dr.operations.lookups import Lookups
from dr.preflight.check import Subject
from dr.topology.air_gap import AirGap
from dr.topology.topology import Role
from tests.support.builders import DATABASE, half, topology
from tests.support.scenes import scene
from tests.support.waiting import PATIENCE_SECONDS

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
WEST = "us-west-2"
LOST = Unreachable(Problem("EBS volumes", "us-east-1 does not answer", "check the region"))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the primary region take its time on a busy machine."""
    monkeypatch.setattr(awaited_copies, "PRIMARY_BY", PATIENCE_SECONDS)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


COPIES, ISOLATED = "ml-dr-backups", "ml-dr-air-gapped"
RESOURCES = {
    "S3": [f"arn:aws:s3:::{each.primary}" for each in half().buckets.values()],
    "EBS": ["arn:aws:ec2:us-east-1:123456789012:volume/vol-1"],
    "EFS": ["arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-1"],
    "Aurora": ["arn:aws:rds:us-east-1:123456789012:cluster:ml-dr-primary"],
}
"""What is copied, by AWS Backup's type."""


def checked(
    monkeypatch: pytest.MonkeyPatch,
    held: dict[str, Sequence[tuple[str, float]]],
    created: float = 80,
    volumes: Sequence[float] = (30,),
    clusters: dict[str, float] | None = None,
    lost: bool = False,
) -> dict[str, Finding]:
    """Return the findings of both checks by name.

    Args:
        monkeypatch: Replaces the calls.
        held: Type and age in hours of the recovery points of each vault; one of each of `RESOURCES`.
        created: Age of the vaults in hours.
        volumes: Ages of the primary region's volumes vol-1, vol-2 and so on, the oldest first.
        clusters: Ages of the database clusters by region.
        lost: Whether the primary region does not answer.
    """
    ages = {"us-east-1": 30.0, WEST: 30.0} if clusters is None else clusters

    def of_primary(region: str, answer: Any) -> Any:
        if lost and region == "us-east-1":
            raise LOST
        return answer

    def points(region: str, vault: str) -> list[Any]:
        return [
            Point("", region, vault, kind, name, ago(hours), ago(hours), 1, "")
            for kind, hours in held.get(vault, ())
            for name in RESOURCES[kind]
        ]

    def cluster(region: str, identifier: str) -> Any:
        created = SimpleNamespace(identifier=identifier, created=ago(ages[region])) if region in ages else None
        return of_primary(region, created)

    covered = Coverage(1, selected=tuple(Selected(f"vol-{number}", ago(age)) for number, age in enumerate(volumes, 1)))
    recovery = {**DATABASE, "cluster": "ml-dr-recovery"}
    monkeypatch.setattr(recovery_points, "read", points)
    monkeypatch.setattr(recovery_points, "vault_created", lambda *_: ago(created))
    monkeypatch.setattr(global_database, "read_cluster", cluster)
    monkeypatch.setattr(awaited_copies, "coverage", lambda region, _: of_primary(region, covered))
    made = scene(
        topology=replace(topology(Role.RECOVERY), air_gap=AirGap()),
        halves={Role.PRIMARY: half(database=DATABASE), Role.RECOVERY: half(Role.RECOVERY, database=recovery)},
    )
    monkeypatch.setattr(type(made), "alarms", lambda self: SimpleNamespace(at=NOW))
    inspected = Inspected(made, cast(Subject, None), timedelta(days=30), Lookups(PATIENCE_SECONDS))
    found = [*readiness_backups.copies(inspected), *readiness_backups.isolated(inspected)]
    return {each.name.removesuffix(f" in {WEST}"): each for each in found}


EVERY = [("S3", 10.0), ("EBS", 10.0), ("EFS", 10.0), ("Aurora", 10.0)]


def statuses(found: dict[str, Finding]) -> dict[str, str]:
    return {name.removeprefix("copies of "): str(each.status) for name, each in found.items() if "air" not in name}


def test_copies_of_every_class_are_met(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(monkeypatch, {COPIES: EVERY, ISOLATED: EVERY})

    assert {each.status for each in found.values()} == {Status.MET}
    assert found["air-gapped copies of volumes"].measured == "1, newest 10 h old"


def test_a_resource_whose_copies_are_late_is_missed_although_the_class_has_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = checked(monkeypatch, {COPIES: EVERY}, volumes=[90, 40, 30, 20])

    assert statuses(found) == {"objects": "met", "volumes": "missed", "databases": "met", "files": "met"}
    late = "2 of 4 late: vol-2 (none in 40 h), vol-3 (none in 30 h)"
    assert found["copies of volumes"].measured == f"newest 10 h old, but {late}"
    assert "copy jobs" in found["copies of volumes"].hint


def test_a_lost_primary_region_leaves_open_which_volumes_have_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(monkeypatch, {COPIES: EVERY}, lost=True)

    assert statuses(found)["volumes"] == "met"
    unknown = "of which resources is unknown: us-east-1 does not answer"
    assert found["copies of volumes"].measured == f"newest 10 h old; {unknown}"
    assert found["copies of objects"].measured == found["copies of databases"].measured == "newest 10 h old"


def test_every_class_that_the_program_deploys_is_missed_when_no_copy_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(monkeypatch, {})

    assert statuses(found) == {"objects": "missed", "volumes": "missed", "databases": "missed", "files": "info"}
    assert found["copies of objects"].measured == "none arrived in 80 h, although the bucket pairs exist"
    assert found["air-gapped copies of objects"].status is Status.MISSED
    assert found["copies of files"].measured == "none: this deployment has no file system"


def test_no_class_of_a_young_deployment_is_missed_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for lost in (False, True):
        found = checked(monkeypatch, {}, created=1, volumes=[1], clusters={"us-east-1": 1, WEST: 0.5}, lost=lost)

        assert {each.status for each in found.values()} == {Status.INFO}
        assert found["copies of objects"].measured == "none yet; the first is due within 25 h"


def test_a_lost_primary_region_makes_its_volumes_unknown_and_an_old_replica_still_shows_a_late_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = checked(monkeypatch, {}, lost=True)
    young = checked(monkeypatch, {}, clusters={"us-east-1": 30, WEST: 3}, lost=True)
    absent = checked(monkeypatch, {}, clusters={}, lost=True)

    of_lost = {"objects": "missed", "volumes": "unknown", "databases": "missed", "files": "info"}
    assert statuses(old) == of_lost
    assert (
        old["copies of databases"].measured == "none arrived in 30 h, although database cluster ml-dr-recovery exists"
    )
    assert statuses(young) == statuses(absent) == of_lost | {"databases": "unknown"}


def test_a_class_without_a_resource_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = checked(monkeypatch, {}, volumes=[], clusters={})

    assert found["copies of volumes"].measured == "none: us-east-1 has no volume with the tag backup=enabled"
    assert found["copies of databases"].measured == "none: us-east-1 has no database cluster ml-dr-primary"
    assert statuses(found) == {"objects": "missed", "volumes": "info", "databases": "info", "files": "info"}


@pytest.mark.parametrize(
    ("east", "west", "oldest"), [(40, 30, "ml-dr-primary"), (30, 40, "ml-dr-recovery")], ids=["usual", "after a return"]
)
def test_the_oldest_cluster_of_the_database_counts(
    monkeypatch: pytest.MonkeyPatch, east: float, west: float, oldest: str
) -> None:
    found = checked(monkeypatch, {}, clusters={"us-east-1": east, WEST: west})

    fact = f"none arrived in 40 h, although database cluster {oldest} exists"
    assert found["copies of databases"].measured == fact


@mock_aws
def test_aws_describes_what_is_to_be_copied_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    clients.forget()
    boto3.client("backup", WEST).create_backup_vault(BackupVaultName=COPIES)
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "backup", "Value": "enabled"}]}]
    volume = boto3.client("ec2", "us-east-1").create_volume(
        AvailabilityZone="us-east-1a", Size=1, TagSpecifications=tags
    )
    boto3.client("rds", "us-east-1").create_db_cluster(
        DBClusterIdentifier=DATABASE["cluster"],
        Engine="aurora-postgresql",
        MasterUsername="mlflow",
        MasterUserPassword="of-a-test",
    )
    monkeypatch.setattr(recovery_points, "read", lambda *_: [])  # moto does not list recovery points
    made = scene(halves={Role.PRIMARY: half(database=DATABASE), Role.RECOVERY: half(Role.RECOVERY)})
    inspected = Inspected(made, cast(Subject, None), timedelta(days=30), Lookups(PATIENCE_SECONDS))

    young = {each.name: each for each in readiness_backups.copies(inspected)}
    monkeypatch.setattr(type(made), "alarms", lambda _: SimpleNamespace(at=datetime.now(UTC) + timedelta(hours=27)))
    old = {each.name: each for each in readiness_backups.copies(inspected)}

    assert {each.status for each in young.values()} == {Status.INFO}
    assert {name: each.measured for name, each in old.items() if each.status is Status.MISSED} == {
        f"copies of objects in {WEST}": "none arrived in 27 h, although the bucket pairs exist",
        f"copies of volumes in {WEST}": f"none arrived in 27 h, although volume {volume['VolumeId']} exists",
        f"copies of databases in {WEST}": "none arrived in 27 h, although database cluster ml-dr-primary exists",
    }


def test_a_missing_air_gapped_copy_is_missed_even_while_the_primary_region_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = checked(monkeypatch, {COPIES: EVERY}, created=1, lost=True)

    isolated = {name: each.measured for name, each in found.items() if name.startswith("air-gapped")}
    assert set(isolated.values()) == {"none, although the other vault has one"}
    assert "air-gapped copies of databases" not in isolated
