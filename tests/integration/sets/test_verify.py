"""`dr sets verify` and `dr sets list` against the emulator, with sets that a region lacks in part."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dr.data import publication
from dr.data.model_sets import Manifest, digest_of
from dr.data.publication import Item
from dr.errors import Exit
from sandbox.aws.faults import parse
from tests.support.sets import PAIRS, PARTS, PRIMARY, RECOVERY, Regions, bucket, run, text


def verify(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Verify, and return the exit code and what each region can recover."""
    code, found = run("sets", "verify", *arguments)
    return code, {each["region"]: each for each in found["regions"]}


def write_manifest(regions: Regions, manifest: Manifest, region: str = PRIMARY) -> None:
    body = json.dumps(asdict(manifest)).encode()
    regions.s3[region].put_object(Bucket=bucket(region, "registry"), Key=manifest.key, Body=body)


def deny(regions: Regions, key: str, action: str) -> None:
    """Deny an action in a key's policy to everyone."""
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    regions.aws.client("kms", PRIMARY).put_key_policy(KeyId=key, PolicyName="default", Policy=policy)


def test_replicated_set_is_recoverable_in_both_regions_without_reading_it(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    regions.settle()
    code, found = verify()

    assert code == Exit.OK
    for region in (PRIMARY, RECOVERY):
        assert found[region]["newest_recoverable"] == manifest.set_id
        assert (found[region]["missing"], found[region]["unknown"]) == ([], [])
        assert (found[region]["objects"], found[region]["objects_read"], found[region]["bytes_read"]) == (4, 0, 0)
        assert regions.hashes(region, manifest) == {each.part: each.sha256 for each in manifest.entries}


def test_objects_without_a_checksum_of_s3_are_read(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    entry = next(each for each in manifest.entries if each.part == "model")
    body = b"weights of an older program"
    put = regions.s3[PRIMARY].put_object(Bucket=bucket(PRIMARY, "models"), Key=entry.key, Body=body)
    changed = replace(entry, version_id=put["VersionId"], size=len(body), sha256=hashlib.sha256(body).hexdigest())
    entries = tuple(changed if each is entry else each for each in manifest.entries)
    manifest = replace(manifest, entries=entries)
    write_manifest(regions, replace(manifest, digest=digest_of(manifest.hashes)))
    regions.settle()
    code, found = verify()

    assert code == Exit.OK
    assert (found[RECOVERY]["objects_read"], found[RECOVERY]["bytes_read"]) == (1, len(body))
    assert f"3 by S3's checksum, 1 by reading {len(body)} bytes" in text("sets", "verify")


def test_object_that_was_uploaded_in_parts_is_compared_by_the_checksum_of_its_parts(
    regions: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "PART_BYTES", 5 << 20)
    path = tmp_path / "model.bin"
    path.write_bytes(bytes(range(256)) * (12 << 12))
    buckets = {pair: bucket(PRIMARY, pair) for pair in PAIRS}
    manifest = publication.publish(PRIMARY, buckets, "digits", [Item("model", "models", path)])
    regions.settle()
    code, found = verify()

    content, (entry,) = path.read_bytes(), manifest.entries
    parts = [hashlib.sha256(content[at : at + (5 << 20)]).digest() for at in range(0, len(content), 5 << 20)]
    assert entry.checksum == f"{base64.b64encode(hashlib.sha256(b''.join(parts)).digest()).decode()}-3"
    assert (code, found[RECOVERY]["bytes_read"]) == (Exit.OK, 0)
    assert regions.hashes(RECOVERY, manifest) == {"model": hashlib.sha256(content).hexdigest()}


def test_set_published_while_replication_is_stopped_is_missing_in_the_recovery_region(
    regions: Regions, tmp_path: Path
) -> None:
    before = regions.publish(tmp_path, "first")
    regions.settle()
    regions.stop_replication()
    after = regions.publish(tmp_path, "second")
    code, found = verify()

    assert code == Exit.FAILED
    assert found[PRIMARY]["newest_recoverable"] == after.set_id
    assert found[RECOVERY]["newest_recoverable"] == before.set_id
    missing = {(each["bucket"], each["key"]): each for each in found[RECOVERY]["missing"]}
    assert set(missing) == {
        (bucket(RECOVERY, "registry"), after.key),
        *((bucket(RECOVERY, each.pair), each.key) for each in after.entries),
    }
    model = missing[bucket(RECOVERY, "models"), next(each.key for each in after.entries if each.part == "model")]
    assert model["version_id"] == next(each.version_id for each in after.entries if each.part == "model")
    assert model["why"] == "this version does not exist; us-east-1 holds it, not replicated"
    manifest = missing[bucket(RECOVERY, "registry"), after.key]
    assert manifest["why"] == "the manifest does not exist here; us-east-1 holds it"
    head = regions.s3[PRIMARY].head_object(Bucket=bucket(PRIMARY, "registry"), Key=after.key)
    assert manifest["version_id"] == head["VersionId"]
    shown = text("sets", "verify")
    assert f"`dr sets restore {after.set_id} --region us-west-2`" in shown
    assert f"{before.set_id} is whole" in shown


def test_deleted_version_that_a_manifest_needs_is_named(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    regions.settle()
    regions.lose(PRIMARY, manifest, "data")
    code, found = verify()

    (lack,) = found[PRIMARY]["missing"]
    entry = next(each for each in manifest.entries if each.part == "data")
    assert code == Exit.FAILED
    assert (lack["bucket"], lack["key"], lack["version_id"]) == (
        bucket(PRIMARY, "datasets"),
        entry.key,
        entry.version_id,
    )
    assert lack["why"] == "this version does not exist; us-west-2 holds it, its replication is REPLICA"
    assert (found[PRIMARY]["newest_recoverable"], found[RECOVERY]["newest_recoverable"]) == (None, manifest.set_id)


def test_altered_object_is_named_with_both_hashes(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    entry = manifest.entries[0]
    altered = replace(entry, sha256=hashlib.sha256(b"other").hexdigest())
    manifest = replace(manifest, entries=(altered, *manifest.entries[1:]))
    write_manifest(regions, replace(manifest, digest=digest_of(manifest.hashes)))
    regions.settle()
    code, found = verify()

    (lack,) = found[RECOVERY]["missing"]
    assert code == Exit.FAILED
    assert lack["why"] == f"altered: its SHA-256 is {entry.sha256}, but the manifest has {altered.sha256}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"digest": "0" * 64}, "the manifest was altered: its digest does not match the objects that it lists"),
        ({"version": 2}, "the manifest has version 2, not 1"),
    ],
)
def test_altered_manifest_is_named_and_the_version_before_is_recoverable(
    regions: Regions, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    before = regions.publish(tmp_path, "first")
    write_manifest(regions, replace(regions.publish(tmp_path, "second"), **change))
    regions.settle()
    code, found = verify()

    assert code == Exit.FAILED
    for region in (PRIMARY, RECOVERY):
        assert found[region]["newest_recoverable"] == before.set_id
        assert [each["why"] for each in found[region]["missing"]] == [why]


def test_region_that_does_not_answer_is_unknown_and_the_other_one_is_shown(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    regions.settle()
    regions.aws.emulator.faults.add(parse({"kind": "region", "region": PRIMARY, "unreachable": True}))
    code, found = verify()

    assert code == Exit.UNKNOWN
    assert found[RECOVERY]["newest_recoverable"] == manifest.set_id
    assert found[PRIMARY]["newest_recoverable"] is None
    assert found[PRIMARY]["unknown"][0]["fact"].startswith("us-east-1 does not answer")
    listed_code, listed = run("sets", "list")
    assert listed_code == Exit.UNKNOWN
    assert [held["missing"] for held in listed["versions"][0]["regions"]] == [None, 0]


def test_denied_key_is_unknown_and_the_message_names_key_and_permission(regions: Regions, tmp_path: Path) -> None:
    key = regions.aws.client("kms", PRIMARY).create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    regions.s3[PRIMARY].put_bucket_encryption(
        Bucket=bucket(PRIMARY, "models"), ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    regions.publish(tmp_path)
    regions.settle()
    deny(regions, key, "kms:Decrypt")
    _, found = verify()

    (problem,) = found[PRIMARY]["unknown"]
    assert found[PRIMARY]["newest_recoverable"] is None
    assert f"kms:Decrypt on {key} is not allowed" in problem["fact"]
    assert problem["remedy"].startswith("allow kms:Decrypt on that key")


def test_denied_read_is_unknown_and_the_message_names_the_permission(regions: Regions, tmp_path: Path) -> None:
    regions.publish(tmp_path)
    regions.settle()
    denied = {"kind": "operation", "operation": "s3:HeadObject", "error": "AccessDenied", "region": RECOVERY}
    regions.aws.emulator.faults.add(parse(denied))
    code, found = verify()

    assert code == Exit.UNKNOWN
    assert len(found[RECOVERY]["unknown"]) == len(PARTS)
    assert "allow s3:GetObjectVersion on arn:aws:s3:::" in found[RECOVERY]["unknown"][0]["remedy"]
    assert found[PRIMARY]["state"] == "whole"


def test_version_that_was_not_published_is_refused_with_the_nearest(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    code, error = run("sets", "verify", manifest.set_id[:-1])

    assert code == Exit.INVALID
    assert error["problems"][0]["remedy"] == f'did you mean "{manifest.set_id}"?'


def test_older_version_is_verified_by_its_id(regions: Regions, tmp_path: Path) -> None:
    before = regions.publish(tmp_path, "first")
    regions.publish(tmp_path, "second")
    regions.settle()
    code, found = verify(before.set_id)

    assert (code, found[RECOVERY]["newest_recoverable"]) == (Exit.OK, before.set_id)


@pytest.mark.usefixtures("regions")
def test_set_without_a_version_fails_with_the_command_that_publishes() -> None:
    code, error = run("sets", "verify")

    assert code == Exit.FAILED
    assert error["problems"][0]["fact"] == "no version is published"
    assert run("sets", "list")[1]["versions"] == []


@pytest.mark.usefixtures("aws")
def test_account_without_a_deployment_is_refused() -> None:
    for command in ("verify", "list"):
        code, error = run("sets", command)
        assert code == Exit.REFUSED
        assert "not deployed" in error["problems"][0]["fact"]


def test_list_shows_the_newest_versions_and_counts_missing_objects(
    regions: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dr.cli.sets.SHOWN", 2)
    published = [regions.publish(tmp_path, content) for content in ("first", "second", "third")]
    regions.settle()
    regions.lose(RECOVERY, published[2], "model")
    code, found = run("sets", "list")

    assert code == Exit.OK
    assert [each["version"] for each in found["versions"]] == [each.set_id for each in reversed(published[1:])]
    assert (found["left_out"], found["versions"][0]["objects"]) == (1, 4)
    assert [held["missing"] for held in found["versions"][0]["regions"]] == [0, 1]
    assert "1 missing" in text("sets", "list")
    assert len(run("sets", "list", "--all", "--name", "digits")[1]["versions"]) == 3


def test_list_shows_a_version_without_a_readable_manifest_as_unknown(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    regions.settle()
    regions.s3[RECOVERY].put_object(Bucket=bucket(RECOVERY, "registry"), Key=manifest.key, Body=b"{}")
    code, found = run("sets", "list")

    (version,) = found["versions"]
    assert code == Exit.UNKNOWN
    assert [held["missing"] for held in version["regions"]] == [0, None]
    assert "not a valid manifest" in version["regions"][1]["reason"]
