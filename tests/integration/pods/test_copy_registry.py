"""Registry backups in the AWS emulator, made as by the CronJob."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest

from dr.data import object_copy, registry_backup
from dr.data.registry_backup import MANIFESTS, OBJECTS, verify
from dr.errors import Failed, Invalid
from dr.pods import copy_registry
from dr.pods.copy_registry import back_up
from sandbox.aws.faults import parse
from sandbox.server import Running
from tests.support import pods
from tests.support.buckets import Pair, make_bucket
from tests.support.waiting import wait_for

HERE, THERE, BUCKET = "us-east-1", "us-west-2", "registry"


@pytest.fixture
def s3(aws: Running) -> Any:
    client = aws.client("s3", HERE)
    make_bucket(client, BUCKET)
    return client


@pytest.fixture
def copies(s3: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys copied during the test."""
    made: list[str] = []
    real = copy_registry._copy

    def copy(region: str, bucket: str, live: Any) -> Any:
        made.append(live.key)
        return real(region, bucket, live)

    monkeypatch.setattr(copy_registry, "_copy", copy)
    return made


def put(s3: Any, **objects: str) -> None:
    for key, text in objects.items():
        s3.put_object(Bucket=BUCKET, Key=key.replace("__", "/"), Body=text)


def keys(s3: Any, prefix: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def test_every_object_is_copied_to_glacier_ir_and_listed_with_its_hash(s3: Any) -> None:
    put(s3, sets__digits__manifest="{}", runs__1__metrics="0.98", gone="x")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    backup = back_up(HERE, BUCKET)

    assert [each.key for each in backup.objects] == ["runs/1/metrics", "sets/digits/manifest"]
    for each, text in zip(backup.objects, ("0.98", "{}"), strict=True):
        copy = s3.get_object(Bucket=BUCKET, Key=each.copy, VersionId=each.copy_version_id)
        assert copy["StorageClass"] == "GLACIER_IR"
        assert copy["Body"].read().decode() == text
        assert (each.size, each.sha256) == (len(text), hashlib.sha256(text.encode()).hexdigest())
    (key,) = registry_backup.manifests(HERE, BUCKET)
    assert registry_backup.read(HERE, BUCKET, key) == backup
    assert all(copy.intact for copy in verify(HERE, BUCKET, backup))


def test_metadata_of_an_object_is_copied(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"1", ContentType="text/csv", Metadata={"of": "me"}, Tagging="t=1")
    (saved,) = back_up(HERE, BUCKET).objects

    copy = s3.head_object(Bucket=BUCKET, Key=saved.copy)
    assert (copy["ContentType"], copy["Metadata"]) == ("text/csv", {"of": "me"})
    assert s3.get_object_tagging(Bucket=BUCKET, Key=saved.copy)["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_a_later_backup_copies_only_changes_and_lists_all_objects(s3: Any, copies: list[str]) -> None:
    put(s3, a="1", b="1")
    first = back_up(HERE, BUCKET)
    put(s3, b="2", c="1")
    s3.delete_object(Bucket=BUCKET, Key="a")
    copies.clear()
    second = back_up(HERE, BUCKET)

    assert sorted(copies) == ["b", "c"]
    assert [each.key for each in second.objects] == ["b", "c"]
    assert all(copy.intact for copy in verify(HERE, BUCKET, first)), "an earlier backup stays whole"
    assert len(keys(s3, MANIFESTS)) == 2
    copies.clear()
    assert [each.copy for each in back_up(HERE, BUCKET).objects] == [each.copy for each in second.objects]
    assert copies == []


def test_backups_are_not_backed_up(s3: Any) -> None:
    put(s3, a="1")
    back_up(HERE, BUCKET)

    assert [each.key for each in back_up(HERE, BUCKET).objects] == ["a"]


def test_known_hashes_are_not_requested_again(s3: Any, aws: Running) -> None:
    put(s3, a="1")
    first = back_up(HERE, BUCKET)
    aws.emulator.faults.add(parse({"kind": "operation", "operation": "s3:HeadObject", "error": "AccessDenied"}))

    assert back_up(HERE, BUCKET).objects == first.objects


def test_an_empty_registry_gives_an_empty_backup(s3: Any) -> None:
    assert back_up(HERE, BUCKET).objects == ()
    assert len(keys(s3, MANIFESTS)) == 1


def test_objects_beyond_the_first_page_are_copied(s3: Any) -> None:
    for number in range(1003):
        s3.put_object(Bucket=BUCKET, Key=f"runs/{number:04}", Body=b"")
    backup = back_up(HERE, BUCKET)

    assert len(backup.objects) == len({each.copy for each in backup.objects}) == 1003


def test_an_object_above_the_copy_limit_is_copied_in_parts_and_read_for_its_hash(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_copy, "LARGEST_COPY", 5 << 20)
    monkeypatch.setattr(object_copy, "PART_BYTES", 5 << 20)
    large = bytes(range(256)) * (11 << 12)
    s3.put_object(Bucket=BUCKET, Key="large", Body=large, ContentType="model/x")
    (saved,) = back_up(HERE, BUCKET).objects

    copy = s3.head_object(Bucket=BUCKET, Key=saved.copy)
    assert copy["ETag"].strip('"').endswith("-3")
    assert (copy["StorageClass"], copy["ContentType"]) == ("GLACIER_IR", "model/x")
    assert saved.sha256 == hashlib.sha256(large).hexdigest()


def test_key_with_a_copy_key_beyond_the_size_limit_is_reported(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="k" * 1020, Body=b"")
    with pytest.raises(Invalid, match=r"the key of its copy would have \d+ bytes"):
        back_up(HERE, BUCKET)

    assert keys(s3, "backups/") == []


def test_a_failed_copy_prevents_the_manifest_and_the_next_run_completes_it(
    s3: Any, aws: Running, copies: list[str]
) -> None:
    put(s3, a="1", b="1", c="1")
    denied = {"kind": "operation", "operation": "s3:CopyObject", "error": "AccessDenied", "times": 2}
    aws.emulator.faults.add(parse(denied))
    with pytest.raises(Failed, match="2 problems"):
        back_up(HERE, BUCKET)
    assert keys(s3, MANIFESTS) == []
    assert len(keys(s3, OBJECTS)) == 1
    copies.clear()

    assert len(back_up(HERE, BUCKET).objects) == 3
    assert len(copies) == 2


def test_a_copy_that_disappears_during_the_run_prevents_the_manifest(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, a="1", b="1")
    real = copy_registry.current

    def listing(region: str, bucket: str, prefix: str = "") -> Any:
        if prefix:
            s3.delete_object(Bucket=BUCKET, Key=keys(s3, OBJECTS)[0])
        return real(region, bucket, prefix)

    monkeypatch.setattr(copy_registry, "current", listing)
    with pytest.raises(Failed, match=r"the copy of [ab] is missing"):
        back_up(HERE, BUCKET)

    assert keys(s3, MANIFESTS) == []


def test_a_version_deleted_during_the_run_fails_only_that_run(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, a="1", b="1")
    real = copy_registry._copy

    def copy(region: str, bucket: str, live: Any) -> Any:
        if live.key == "a":
            s3.delete_object(Bucket=BUCKET, Key="a", VersionId=live.version_id)
        return real(region, bucket, live)

    with monkeypatch.context() as patched:
        patched.setattr(copy_registry, "_copy", copy)
        with pytest.raises(Failed, match="was permanently deleted during the backup"):
            back_up(HERE, BUCKET)

    assert [each.key for each in back_up(HERE, BUCKET).objects] == ["b"]


def test_a_killed_run_leaves_no_manifest_and_the_next_copies_only_the_rest(
    s3: Any, aws: Running, tmp_path: Any, copies: list[str]
) -> None:
    for number in range(40):
        s3.put_object(Bucket=BUCKET, Key=f"runs/{number:04}", Body=b"x")
    environment = {"AWS_REGION": HERE, "REGISTRY_BUCKET": BUCKET}
    aws.emulator.faults.add(parse({"kind": "region", "region": HERE, "slow": 0.3}))
    with pods.started("copy_registry", tmp_path, environment) as process:
        assert process.stdout
        next(line for line in process.stdout if line.startswith("copied"))
        process.kill()
        process.wait()
    aws.emulator.faults.clear()
    done = len(keys(s3, OBJECTS))

    assert 0 < done < 40
    assert keys(s3, MANIFESTS) == []
    backup = back_up(HERE, BUCKET)
    assert len(backup.objects) == 40
    assert len(copies) <= 40 - done
    assert all(copy.intact for copy in verify(HERE, BUCKET, backup))


def test_the_program_runs_from_its_config_map(s3: Any, tmp_path: Any) -> None:
    put(s3, a="1")
    code, log = pods.run("copy_registry", tmp_path, {"AWS_REGION": HERE, "REGISTRY_BUCKET": BUCKET})

    assert code == 0, log
    assert log.splitlines()[0] == "1 objects, 1 bytes; 1 to copy"
    assert "lists 1 objects; every copy exists" in log.splitlines()[-1]


def test_a_missing_bucket_is_reported_with_its_region(aws: Running, tmp_path: Any) -> None:
    code, log = pods.run("copy_registry", tmp_path, {"AWS_REGION": HERE, "REGISTRY_BUCKET": "nowhere"})

    assert code == 1
    assert "failed: s3://nowhere/: NoSuchBucket in us-east-1" in log


def test_verifying_a_backup_in_the_other_region_detects_lost_and_changed_copies(s3: Any, aws: Running) -> None:
    there = aws.client("s3", THERE)
    make_bucket(there, "replica")
    pair = Pair(s3, there, (BUCKET, "replica"))
    pair.replicate(pair.rule())
    put(s3, a="1", b="2", c="3")
    backup = back_up(HERE, BUCKET)
    counts = aws.emulator.replication.counts
    wait_for(lambda: not counts()["pending"], progress=counts)

    (key,) = registry_backup.manifests(THERE, "replica")
    assert registry_backup.read(THERE, "replica", key) == backup
    assert [copy.intact for copy in verify(THERE, "replica", backup)] == [True, True, True]
    lost = backup.objects[1]
    there.delete_object(Bucket="replica", Key=lost.copy, VersionId=lost.copy_version_id)
    there.put_object(Bucket="replica", Key=backup.objects[2].copy, Body=io.BytesIO(b"poison"))
    assert [copy.sha256 is None for copy in verify(THERE, "replica", backup)] == [False, True, False]
    assert verify(THERE, "replica", backup)[2].intact, "the version that was backed up is still there"
