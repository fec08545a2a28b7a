"""The drill of restores against the emulator: a good run, and each condition missed by one broken thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.backup.models import backup_backends
from moto.rds.models import rds_backends

from dr.config.project import load_topology
from dr.control import local_state
from dr.control.incident_state import Incident, IncidentState
from dr.data import recovery_points, registry_backup, restore_jobs
from dr.data.recovery_points import Point
from dr.data.registry_backup import Backup, Saved
from dr.drills import backup_restore, backup_restore_result, running
from dr.drills.backup_restore import BackupRestore, choose
from dr.drills.document import DrillDocument
from dr.drills.running import Process, Running
from dr.errors import Refused
from dr.operations.fingerprint import Fingerprint
from dr.topology.tiers import Tier
from sandbox.aws.behaviours.recovery_points import Item
from sandbox.aws.call import find_bucket
from tests.support.copied import COPIES, Copied
from tests.support.sets import PRIMARY, RECOVERY, ROOT, bucket

pytestmark = pytest.mark.thorough

RUN = "20261129T120000Z-a1b2c3"
MODELS = bucket(RECOVERY, "models")


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_state, "folder", lambda: tmp_path)


@pytest.fixture
def now(control: Callable[..., Any]) -> Callable[[], datetime]:
    return lambda: datetime.fromisoformat(control("GET", "clock")["now"])


def drill(place: Copied, now: datetime, incident: IncidentState | None = None) -> BackupRestore:
    scene: Any = SimpleNamespace(
        topology=load_topology(ROOT, "dr"),
        region=RECOVERY,
        home=PRIMARY,
        tier=Tier.BACKUP,
        primary=SimpleNamespace(database=place.home),
        recovery=SimpleNamespace(cluster=None, database=place.away),
        options=SimpleNamespace(run=RUN),
        state=lambda: incident or IncidentState(),
        alarms=lambda: SimpleNamespace(at=now),
    )
    return BackupRestore(scene, lambda line: None)


def result(place: Copied, now: datetime) -> DrillDocument:
    marks = Fingerprint({"code": "1", "configuration": "2", "tier": "pilot", "set": "3"})
    return backup_restore_result.document(drill(place, now).execute(), marks, now)


def verdicts(found: DrillDocument) -> dict[str, str]:
    return {each.name: str(each.verdict) for each in found.judgements}


GOOD = {
    **dict.fromkeys(("objects restored", "objects time", "objects age"), "met"),
    **dict.fromkeys(("volumes restored", "volumes time", "volumes age"), "met"),
    **dict.fromkeys(("databases restored", "databases time", "databases age"), "met"),
    **{"registry restored": "unknown", "cluster objects restored": "unknown", "operation": "met"},
}


def nothing_is_left(place: Copied) -> bool:
    names = [each["Name"] for each in place.regions.s3[RECOVERY].list_buckets()["Buckets"]]
    return (
        place.volumes() == []
        and place.clusters() == []
        and not any("drill" in each for each in names)
        and running.read() is None
    )


def test_newest_copies_are_restored_compared_by_hash_and_deleted(place: Copied, now: Callable[[], datetime]) -> None:
    found = result(place, now())

    assert verdicts(found) == GOOD
    assert found.verdict == "unknown"
    measured = {each.name: each.measured for each in found.judgements}
    assert "5 objects, 45 bytes, 5 with equal hashes" in measured["objects restored"]
    assert "20 GiB, encrypted, available" in measured["volumes restored"]
    text = "Aurora ml-dr-primary: Aurora PostgreSQL 17.7, encrypted, available; its rows were not read"
    assert measured["databases restored"] == text
    assert "tier backup has no cluster in us-west-2" in measured["cluster objects restored"]
    assert found.rpo_seconds is not None
    assert found.rto_seconds
    assert nothing_is_left(place)


def change(change_items: Callable[[tuple[Item, ...]], tuple[Item, ...]]) -> None:
    """Change the objects that the copy has."""
    contents = vars(backup_backends["123456789012"][RECOVERY].vaults[COPIES])["contents"]
    for arn, held in contents.items():
        if held.items:
            contents[arn] = replace(held, items=change_items(held.items))


def other_bytes(place: Copied) -> None:
    change(lambda items: (*items[:-1], replace(items[-1], value=b"weights X")))


def missing(place: Copied) -> None:
    change(lambda items: items[1:])


def foreign(place: Copied) -> None:
    change(lambda items: (*items, replace(items[0], key="foreign")))


def not_read(place: Copied) -> None:
    """Damage a replica where it is stored: S3's checksum does not match, and reading it fails."""
    stored = find_bucket(MODELS)
    assert stored
    stored.keys["set/1"].value = b"weights X"


def no_permission(place: Copied) -> None:
    place.aws.client("iam", PRIMARY).detach_role_policy(
        RoleName="backups", PolicyArn="arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore"
    )


def no_copy(place: Copied, kind: str) -> None:
    backup = place.aws.client("backup", RECOVERY)
    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName=COPIES, ByResourceType=kind)
    for each in listed["RecoveryPoints"]:
        backup.delete_recovery_point(BackupVaultName=COPIES, RecoveryPointArn=each["RecoveryPointArn"])


def no_copy_of_objects(place: Copied) -> None:
    no_copy(place, "S3")


def no_copy_of_databases(place: Copied) -> None:
    no_copy(place, "Aurora")


def no_subnets(place: Copied) -> None:
    place.aws.client("rds", RECOVERY).delete_db_subnet_group(DBSubnetGroupName=place.away.subnet_group)


def older_engine(place: Copied) -> None:
    place.version = "17.9"


def not_encrypted(place: Copied) -> None:
    """Take the encryption of the copy away, as of a cluster that never had any."""
    for each in rds_backends["123456789012"][RECOVERY].cluster_snapshots.values():
        each.encrypted = each.cluster.storage_encrypted = False


@pytest.mark.parametrize(
    ("break_it", "condition", "text"),
    [
        (other_bytes, "objects restored", "set/4 has other bytes"),
        (missing, "objects restored", "set/0 is missing"),
        (foreign, "objects restored", "foreign was not in"),
        (not_read, "operation", "checksum"),
        (no_permission, "operation", "restore job"),
        (no_copy_of_objects, "objects restored", "no copy of objects"),
        (no_copy_of_databases, "databases restored", "no copy of databases in us-west-2"),
        (no_subnets, "operation", "DB subnet group 'data' does not exist"),
        (older_engine, "databases restored", "its engine is 17.7, not 17.9"),
        (not_encrypted, "databases restored", "it is not encrypted"),
    ],
)
def test_each_broken_thing_is_found_and_what_was_restored_is_deleted(
    place: Copied, now: Callable[[], datetime], break_it: Callable[[Copied], None], condition: str, text: str
) -> None:
    break_it(place)
    found = result(place, now())

    (judged,) = [each for each in found.judgements if each.name == condition]
    assert (judged.verdict, text in judged.measured) == ("missed", True), judged
    assert found.verdict == "missed"
    if break_it is not_read:
        assert verdicts(found)["objects restored"] == "unknown"
    assert nothing_is_left(place)


def test_a_copy_that_is_too_old_is_missed(place: Copied, now: Callable[[], datetime]) -> None:
    found = verdicts(result(place, now() + timedelta(hours=27)))

    assert {name for name, verdict in found.items() if verdict == "missed"} == {
        *("objects age", "volumes age", "databases age")
    }


def test_writes_since_the_copy_are_counted_and_do_not_miss(place: Copied, now: Callable[[], datetime]) -> None:
    at = now()
    stored = find_bucket(MODELS)
    assert stored
    place.regions.s3[PRIMARY].put_object(Bucket=bucket(PRIMARY, "models"), Key="set/1", Body=b"newer")
    place.regions.settle()
    # S3 has the machine's clock, which is behind the one of the backups.
    stored.keys["set/1"].last_modified = (at + timedelta(minutes=1)).replace(tzinfo=None)
    found = result(place, at + timedelta(minutes=2))

    assert verdicts(found) == GOOD
    (age,) = [each for each in found.judgements if each.name == "objects age"]
    assert "1 keys were written since" in age.measured


def test_newest_backup_of_the_registry_is_hashed(place: Copied, now: Callable[[], datetime]) -> None:
    s3, name = place.regions.s3[RECOVERY], bucket(RECOVERY, "registry")
    version = s3.put_object(Bucket=name, Key="backups/objects/1/a", Body=b"a")["VersionId"]
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    saved = Saved("a", "1", 1, digest, "backups/objects/1/a", version)
    good = Backup(now().isoformat(timespec="seconds"), (saved,))
    s3.put_object(Bucket=name, Key=good.key, Body=good.to_json())
    assert verdicts(result(place, now()))["registry restored"] == "met"

    bad = Backup((now() + timedelta(minutes=1)).isoformat(timespec="seconds"), (replace(saved, sha256="0" * 64),))
    s3.put_object(Bucket=name, Key=bad.key, Body=bad.to_json())
    assert registry_backup.manifests(RECOVERY, name)[0] == bad.key
    assert verdicts(result(place, now()))["registry restored"] == "missed"


def test_what_a_killed_drill_restored_is_deleted_also_by_jobs_that_still_run(place: Copied) -> None:
    points = recovery_points.newest(recovery_points.read(RECOVERY, COPIES)).values()
    of = {each.kind: each for each in points}
    volume = restore_jobs.volume_request(of["EBS"], f"{RECOVERY}a", "drill-volume", tags=False)
    objects = restore_jobs.bucket_request(of["S3"], backup_restore.scratch_name(RUN), "drill-objects")
    where = restore_jobs.place(place.away.subnet_group, place.away.security_groups)
    cluster = restore_jobs.cluster_request(of["Aurora"], backup_restore.scratch_name(RUN), where, "drill-databases")
    noted_before = (asdict(volume), asdict(objects), asdict(cluster))
    Running("backup-restore", RUN, Process(1, 1.0), restores=noted_before).note()
    job = restore_jobs.start(volume)  # the job of the objects was noted, and the drill died before it was started
    noted = running.read()
    assert noted
    done = backup_restore.remove(noted, lambda line: None)

    assert len(done) == 3
    assert restore_jobs.read(RECOVERY, job).status == "COMPLETED"
    running.forget()
    assert nothing_is_left(place)


def test_drill_during_an_incident_is_refused_and_restores_nothing(place: Copied, now: Callable[[], datetime]) -> None:
    incident = IncidentState(incident=Incident(RUN, "2026-11-29T11:55:10+00:00", "loss", "failover"))
    with pytest.raises(Refused, match="no-incident"):
        drill(place, now(), incident).execute()

    assert nothing_is_left(place)


def test_the_bucket_of_the_models_is_preferred_then_the_newest_then_the_smallest() -> None:
    at = datetime(2026, 11, 29)

    def point(name: str, hours: int, size: int) -> Point:
        then = at - timedelta(hours=hours)
        return Point(name, RECOVERY, COPIES, "S3", f"arn:aws:s3:::{name}", then, then, size, "role")

    found = [point("models", 9, 9), point("a", 2, 1), point("b", 1, 5), point("c", 1, 3), point("empty", 0, 0)]
    assert [choose(each, {"models"}) for each in (found, found[1:], found[4:])] == [found[0], found[3], None]
