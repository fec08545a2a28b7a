"""`dr sets restore` against the emulator: lost sets, older versions, interruptions, and objects that are nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dr.data import object_copy, publication
from dr.data.model_sets import Manifest, parse
from dr.data.publication import Item
from dr.errors import Exit
from sandbox.aws.faults import parse as fault
from tests.support.sets import PAIRS, PARTS, PRIMARY, RECOVERY, ROOT, Regions, bucket, run, text
from tests.support.waiting import wait_for


def restore(version: str, *arguments: str, region: str = PRIMARY) -> tuple[int, Any]:
    return run("sets", "restore", version, "--region", region, *arguments)


def manifest_of(regions: Regions, version: str, region: str = PRIMARY) -> Manifest:
    """Read a manifest by boto3."""
    key = f"sets/digits/{version}/manifest.json"
    return parse(regions.s3[region].get_object(Bucket=bucket(region, "registry"), Key=key)["Body"].read(), "test")


def destroy(regions: Regions, region: str) -> None:
    """Delete every object version of a region's sets for good."""
    s3 = regions.s3[region]
    for pair in PAIRS:
        name = bucket(region, pair)
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=name, Prefix="sets/"):
            for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=name, Key=each["Key"], VersionId=each["VersionId"])


def sha256(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def test_set_that_was_destroyed_in_the_primary_region_is_restored_from_the_other_one(
    regions: Regions, tmp_path: Path
) -> None:
    manifest = regions.publish(tmp_path, "first")
    regions.settle()
    destroy(regions, PRIMARY)
    code, plan = restore(manifest.set_id)
    assert (code, plan["executed"], plan["to_copy"], plan["from"]) == (Exit.OK, False, len(PARTS), [RECOVERY])
    assert not regions.s3[PRIMARY].list_objects_v2(Bucket=bucket(PRIMARY, "models")).get("Contents")
    code, done = restore(manifest.set_id, "--yes")
    regions.settle()

    assert (code, done["executed"]) == (Exit.OK, True)
    restored = manifest_of(regions, done["new_version"])
    assert (restored.source, restored.digest, restored.probe) == (manifest.set_id, manifest.digest, manifest.probe)
    wanted = {part: sha256(f"{part} first") for part in PARTS}
    assert regions.hashes(PRIMARY, restored) == wanted
    assert regions.hashes(RECOVERY, restored) == wanted
    code, verified = run("sets", "verify")
    assert code == Exit.OK
    assert {each["newest_recoverable"] for each in verified["regions"]} == {done["new_version"]}
    assert sum(each["bytes_read"] for each in verified["regions"]) == 0
    assert run("sets", "list")[1]["versions"][0]["restored_from"] == manifest.set_id


def test_set_that_is_whole_needs_no_restore(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    code, done = restore(manifest.set_id, "--yes")

    assert (code, done["to_copy"], done["new_version"]) == (Exit.OK, 0, None)
    assert len(run("sets", "list")[1]["versions"]) == 1
    assert "Nothing is to be restored" in text("sets", "restore", manifest.set_id, "--region", PRIMARY)


def test_older_version_is_refused_until_newer_ones_may_be_superseded(regions: Regions, tmp_path: Path) -> None:
    before, after = (regions.publish(tmp_path, content) for content in ("first", "second"))
    for options in ((), ("--yes",)):
        code, refused = restore(before.set_id, *options)
        assert code == Exit.REFUSED
        assert f"1 newer versions would no longer be served, the newest {after.set_id}" in json.dumps(refused)
    code, done = restore(before.set_id, "--yes", "--overwrite-newer")

    assert code == Exit.OK
    versions = [each["version"] for each in run("sets", "list")[1]["versions"]]
    assert versions == [done["new_version"], after.set_id, before.set_id]
    restored = manifest_of(regions, done["new_version"])
    assert regions.hashes(PRIMARY, restored) == {part: sha256(f"{part} first") for part in PARTS}


def test_objects_are_copied_to_a_prefix_without_a_new_version(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path, "first")
    regions.publish(tmp_path, "second")
    code, done = restore(manifest.set_id, "--to", "checked/", "--yes")
    assert (code, done["new_version"]) == (Exit.OK, None)
    for part, pair in PARTS.items():
        where = {"Bucket": bucket(PRIMARY, pair), "Key": f"checked/{part}.bin"}
        assert regions.s3[PRIMARY].get_object(**where)["Body"].read() == f"{part} first".encode()

    assert restore(manifest.set_id, "--to", "checked/")[1]["to_copy"] == 0
    regions.s3[PRIMARY].put_object(Bucket=bucket(PRIMARY, "models"), Key="checked/model.bin", Body=b"newer data")
    code, refused = restore(manifest.set_id, "--to", "checked/", "--yes")
    assert code == Exit.REFUSED
    assert "1 keys hold other objects, first checked/model.bin" in json.dumps(refused)
    assert restore(manifest.set_id, "--to", "checked/", "--yes", "--overwrite-newer")[1]["to_copy"] == 1
    assert len(run("sets", "list")[1]["versions"]) == 2


def test_object_that_neither_region_holds_is_named_and_nothing_is_written(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    regions.settle()
    for region in (PRIMARY, RECOVERY):
        regions.lose(region, manifest, "model")
    code, refused = restore(manifest.set_id, "--yes")

    (problem,) = refused["problems"]
    assert code == Exit.REFUSED
    assert problem["subject"] == next(each.key for each in manifest.entries if each.part == "model")
    assert "does not exist in us-east-1" in problem["fact"]
    assert len(run("sets", "list")[1]["versions"]) == 1


def test_restore_that_failed_leaves_no_manifest_and_the_same_command_continues(
    regions: Regions, tmp_path: Path
) -> None:
    manifest = regions.publish(tmp_path, "first")
    regions.settle()
    destroy(regions, PRIMARY)
    denied = {"kind": "operation", "operation": "s3:CopyObject", "error": "AccessDenied", "times": 1}
    regions.aws.emulator.faults.add(fault(denied))
    code, failed = restore(manifest.set_id, "--yes")
    assert (code, len(failed["problems"])) == (Exit.FAILED, 1)
    assert "s3:PutObject" in failed["problems"][0]["remedy"]
    code, plan = restore(manifest.set_id)
    assert (plan["resumes"], plan["to_copy"]) == (True, 1)
    code, done = restore(manifest.set_id, "--yes")

    assert (code, done["new_version"]) == (Exit.OK, plan["new_version"])
    restored = manifest_of(regions, done["new_version"])
    assert regions.hashes(PRIMARY, restored) == {part: sha256(f"{part} first") for part in PARTS}


def test_restore_that_is_killed_continues_with_what_is_missing(regions: Regions, tmp_path: Path) -> None:
    items = []
    for number in range(150):
        (tmp_path / f"{number:03}").write_text(str(number))
        items.append(Item("data", "datasets", tmp_path / f"{number:03}"))
    buckets = {pair: bucket(PRIMARY, pair) for pair in PAIRS}
    manifest = publication.publish(PRIMARY, buckets, "digits", items)
    regions.settle()
    destroy(regions, PRIMARY)
    command = [sys.executable, "-m", "dr", "sets", "restore", manifest.set_id, "--region", PRIMARY, "--yes"]
    started = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    s3, name, seen = regions.s3[PRIMARY], bucket(PRIMARY, "datasets"), [-1]

    def copied() -> int:
        return int(s3.list_objects_v2(Bucket=name, Prefix="sets/")["KeyCount"])

    def steady() -> bool:
        seen.append(copied())
        return seen[-1] == seen[-2]

    wait_for(lambda: copied() > 10, interval_seconds=0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    wait_for(steady, interval_seconds=0.3)  # requests that were sent before the kill still end
    assert 10 < seen[-1] < len(items)
    code, done = restore(manifest.set_id, "--yes")

    assert (code, done["resumes"], done["to_copy"]) == (Exit.OK, True, len(items) - seen[-1])
    restored = manifest_of(regions, done["new_version"])
    assert {each.key.rpartition("/")[2]: each.sha256 for each in restored.entries} == {
        f"{number:03}": sha256(str(number)) for number in range(len(items))
    }
    assert run("sets", "verify")[1]["regions"][0]["newest_recoverable"] == done["new_version"]


def test_object_above_the_copy_limit_is_restored_in_parts_of_the_same_size(
    regions: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "PART_BYTES", 5 << 20)
    monkeypatch.setattr(object_copy, "LARGEST_COPY", 6 << 20)
    path, content = tmp_path / "model.bin", bytes(range(256)) * (12 << 12)
    path.write_bytes(content)
    buckets = {pair: bucket(PRIMARY, pair) for pair in PAIRS}
    manifest = publication.publish(PRIMARY, buckets, "digits", [Item("model", "models", path)])
    regions.settle()
    destroy(regions, PRIMARY)
    code, done = restore(manifest.set_id, "--yes")

    restored = manifest_of(regions, done["new_version"])
    assert code == Exit.OK
    assert regions.hashes(PRIMARY, restored) == {"model": hashlib.sha256(content).hexdigest()}


def test_denied_key_is_named_with_the_permission(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path)
    regions.settle()
    destroy(regions, PRIMARY)
    kms = regions.aws.client("kms", PRIMARY)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    regions.s3[PRIMARY].put_bucket_encryption(
        Bucket=bucket(PRIMARY, "models"), ServerSideEncryptionConfiguration={"Rules": [rule]}
    )
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:GenerateDataKey", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    code, failed = restore(manifest.set_id, "--yes")

    (problem,) = failed["problems"]
    assert code == Exit.FAILED
    assert f"is not authorized to perform: kms:GenerateDataKey on resource: {key}" in problem["fact"]


def test_other_region_is_not_needed_while_this_one_holds_the_objects(regions: Regions, tmp_path: Path) -> None:
    manifest = regions.publish(tmp_path, "first")
    regions.settle()
    regions.aws.emulator.faults.add(fault({"kind": "region", "region": PRIMARY, "unreachable": True}))
    code, done = restore(manifest.set_id, "--to", "checked/", "--yes", region=RECOVERY)
    assert (code, done["to_copy"]) == (Exit.OK, len(PARTS))

    code, failed = restore(manifest.set_id, "--yes", region=PRIMARY)
    assert code == Exit.FAILED
    assert failed["problems"][0]["fact"].startswith("us-east-1 does not answer")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unknown", "--region", PRIMARY), "has no such version"),
        (("VERSION", "--region", "us-west-1"), 'did you mean "us-west-2"?'),
        (("VERSION", "--region", PRIMARY, "--to", "sets/x/"), "is where versions of sets are"),
    ],
)
def test_invalid_options_are_refused(
    regions: Regions, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    manifest = regions.publish(tmp_path)
    code, error = run("sets", "restore", *(manifest.set_id if each == "VERSION" else each for each in arguments))

    assert code == Exit.INVALID
    assert message in json.dumps(error).replace('\\"', '"')
