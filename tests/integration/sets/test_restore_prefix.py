"""`dr restore` against the emulator: ransomware, interruptions, newer data, denied keys."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.errors import Exit
from sandbox.aws.call import find_bucket
from sandbox.aws.faults import parse
from tests.support.sets import PRIMARY, ROOT, Regions, bucket, run, text
from tests.support.waiting import wait_for

BUCKET = bucket(PRIMARY, "datasets")
AT = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
"""Between the times of `let_a_day_pass` and now, however long the tests before took; the same in repeated commands."""
NAMES = tuple(f"train/{number:03}.csv" for number in range(12))


def let_a_day_pass(name: str = BUCKET) -> None:
    """Move the times of all versions back."""
    found = find_bucket(name)
    assert found
    for key in found.keys:
        for version in found.keys.getlist(key):
            version.last_modified -= timedelta(days=1)


def put(regions: Regions, **content: str) -> None:
    for key, body in content.items():
        regions.s3[PRIMARY].put_object(Bucket=BUCKET, Key=key, Body=body.encode())


def hashes(regions: Regions, prefix: str) -> dict[str, str]:
    """Read every current object by boto3; return hashes by key below the prefix."""
    s3 = regions.s3[PRIMARY]
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        each["Key"].removeprefix(prefix): hashlib.sha256(
            s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        ).hexdigest()
        for each in listed
    }


def versions(regions: Regions) -> set[str]:
    """Return the IDs of all versions and delete markers."""
    pages = regions.s3[PRIMARY].get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    return {each["VersionId"] for page in pages for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]}


def restore(*arguments: str, prefix: str = "train/") -> tuple[int, Any]:
    return run("restore", "--bucket", BUCKET, "--prefix", prefix, "--as-of", AT, *arguments)


@pytest.fixture
def before(regions: Regions) -> dict[str, str]:
    """Objects of an hour ago, with their hashes."""
    put(regions, **{name: f"row of {name}" for name in NAMES}, other="kept")
    let_a_day_pass()
    return hashes(regions, "train/")


@pytest.fixture
def attacked(regions: Regions, before: dict[str, str]) -> dict[str, str]:
    """A valid identity overwrote some objects, deleted others and left a note; the hashes of before."""
    put(regions, **{name: "x" * len(f"row of {name}") for name in NAMES[:6]}, **{"train/README": "pay"})
    for name in NAMES[4:8]:
        regions.s3[PRIMARY].delete_object(Bucket=BUCKET, Key=name)
    return before


def test_objects_that_a_valid_identity_overwrote_and_deleted_are_restored(
    regions: Regions, attacked: dict[str, str]
) -> None:
    there = versions(regions)
    code, plan = restore("--overwrite-newer", "--delete-created")
    assert (code, plan["executed"], versions(regions)) == (Exit.OK, False, there)
    assert {kind: count["objects"] for kind, count in plan["plan"].items() if count["objects"]} == {
        "changed": 4,
        "deleted": 4,
        "unchanged": 4,
        "created": 1,
    }
    code, done = restore("--overwrite-newer", "--delete-created", "--yes")

    assert (code, done["executed"], done["to_write"]) == (Exit.OK, True, 9)
    assert hashes(regions, "train/") == attacked
    assert there <= versions(regions), "a version was destroyed"
    assert len(versions(regions)) == len(there) + 9
    assert hashes(regions, "other").keys() == {""}


def test_restore_that_is_repeated_writes_nothing(regions: Regions, attacked: dict[str, str]) -> None:
    restore("--overwrite-newer", "--yes")
    there = versions(regions)
    code, plan = restore()
    assert (code, plan["to_write"], plan["refusal"]) == (Exit.OK, 0, None)
    restore("--overwrite-newer", "--yes")

    assert versions(regions) == there
    assert plan["plan"]["restored"]["objects"] == 8
    assert "Nothing is left to restore" in text(
        *("restore", "--bucket", BUCKET, "--prefix", "train/"),
        *("--as-of", AT),
    )


def test_newer_data_is_refused_and_deleted_objects_alone_are_restored(regions: Regions, before: dict[str, str]) -> None:
    put(regions, **{NAMES[0]: "newer"})
    there = versions(regions)
    for options in ((), ("--yes",)):
        code, refused = restore(*options)
        assert code == Exit.REFUSED
        assert "1 objects have newer data, first train/000.csv" in json.dumps(refused)
        assert "--overwrite-newer" in json.dumps(refused)
    assert versions(regions) == there

    shown = text("restore", "--bucket", BUCKET, "--prefix", "train/", "--as-of", AT)
    assert "refused: s3://" in shown
    assert "--yes" not in shown

    regions.s3[PRIMARY].delete_object(Bucket=BUCKET, Key=NAMES[1])
    assert restore("--yes", prefix=NAMES[1])[0] == Exit.OK
    assert hashes(regions, "train/")["001.csv"] == before["001.csv"]


def test_objects_that_did_not_exist_are_kept_unless_their_deletion_is_asked_for(
    regions: Regions, before: dict[str, str]
) -> None:
    put(regions, **{"train/new.csv": "1"})
    code, _ = restore("--yes")

    assert code == Exit.OK
    assert hashes(regions, "train/").keys() - before.keys() == {"new.csv"}
    shown = text("restore", "--bucket", BUCKET, "--prefix", "train/", "--as-of", AT)
    assert "created since 1 keep" in shown
    restore("--yes", "--delete-created")
    assert hashes(regions, "train/") == before


def test_object_with_a_forged_checksum_does_not_count_as_restored(regions: Regions) -> None:
    put(regions, **{"train/a": "plumless"})
    let_a_day_pass()
    before = hashes(regions, "train/")
    put(regions, **{"train/a": "buckeroo"})  # the same size and CRC-32
    s3 = regions.s3[PRIMARY]
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix="train/a")["Versions"]
    heads = [
        s3.head_object(Bucket=BUCKET, Key="train/a", VersionId=each["VersionId"], ChecksumMode="ENABLED")
        for each in listed
    ]
    assert heads[0]["ChecksumCRC32"] == heads[1]["ChecksumCRC32"]
    assert restore("--yes")[0] == Exit.REFUSED
    assert restore("--yes", "--overwrite-newer")[0] == Exit.OK

    assert hashes(regions, "train/") == before
    assert restore()[1]["to_write"] == 0


def test_restore_to_another_prefix_leaves_the_first_one_alone(regions: Regions, attacked: dict[str, str]) -> None:
    now = hashes(regions, "train/")
    code, done = restore("--to", "recovered/", "--yes")

    assert (code, done["plan"]["lacking"]["objects"]) == (Exit.OK, len(NAMES))
    assert hashes(regions, "recovered/") == attacked
    assert hashes(regions, "train/") == now
    assert restore("--to", "recovered/")[1]["to_write"] == 0
    put(regions, **{"recovered/000.csv": "newer"})
    assert restore("--to", "recovered/")[0] == Exit.REFUSED


def test_whole_bucket_is_restored_to_a_prefix_in_it(regions: Regions, attacked: dict[str, str]) -> None:
    for _ in range(2):
        code, _ = restore("--to", "recovered/", "--yes", prefix="")
        assert code == Exit.OK

    assert hashes(regions, "recovered/train/") == attacked
    assert not hashes(regions, "recovered/recovered/")


def test_object_and_marker_of_the_same_second_are_distinguished_by_the_order_of_s3(regions: Regions) -> None:
    s3 = regions.s3[PRIMARY]
    put(regions, kept="1", gone="1")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    s3.delete_object(Bucket=BUCKET, Key="kept")
    put(regions, kept="2")
    found = find_bucket(BUCKET)
    assert found
    for key in ("kept", "gone"):
        for version in found.keys.getlist(key):
            version.last_modified = found.keys.getlist(key)[0].last_modified
    let_a_day_pass()
    for key in ("kept", "gone"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    put(regions, kept="poison", gone="poison")
    for key in ("kept", "gone"):
        newer = found.keys.getlist(key)[-2:]
        newer[0].last_modified = newer[1].last_modified
    code, _ = restore("--yes", "--overwrite-newer", "--delete-created", prefix="")

    assert code == Exit.OK
    assert hashes(regions, "") == {"kept": hashlib.sha256(b"2").hexdigest()}


def test_restore_that_is_killed_continues_with_what_is_missing(
    regions: Regions, before: dict[str, str], control: Callable[..., Any]
) -> None:
    names = [f"train/{number:04}" for number in range(400)]
    put(regions, **{name: name for name in names})
    let_a_day_pass()
    wanted = hashes(regions, "train/")
    for name in names:
        regions.s3[PRIMARY].delete_object(Bucket=BUCKET, Key=name)
    command = [sys.executable, "-m", "dr", "restore", "--bucket", BUCKET, "--prefix", "train/", "--as-of", AT, "--yes"]
    started = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    s3 = regions.s3[PRIMARY]
    wait_for(
        lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix="train/")["KeyCount"] > len(NAMES) + 20, interval_seconds=0.01
    )
    os.kill(started.pid, signal.SIGKILL)
    started.communicate()
    seen = [-1]

    def steady() -> bool:
        seen.append(len(versions(regions)))
        return seen[-1] == seen[-2]

    wait_for(steady, interval_seconds=0.3)  # requests that were sent before the kill still end
    left = len(wanted) - len(hashes(regions, "train/"))
    assert 0 < left < len(names) - 20
    there = versions(regions)
    code, done = restore("--yes")

    assert (code, done["to_write"]) == (Exit.OK, left)
    assert len(versions(regions)) == len(there) + left
    assert hashes(regions, "train/") == wanted


def test_failed_copies_are_counted_and_the_same_command_continues(regions: Regions, attacked: dict[str, str]) -> None:
    denied = {"kind": "operation", "operation": "s3:CopyObject", "error": "AccessDenied", "times": 3}
    regions.aws.emulator.faults.add(parse(denied))
    code, failed = restore("--overwrite-newer", "--yes")
    assert (code, failed["failed"]) == (Exit.FAILED, 3)
    assert f"s3:PutObject on arn:aws:s3:::{BUCKET}/*" in failed["problems"][0]["remedy"]
    code, done = restore("--overwrite-newer", "--yes")

    assert (code, done["to_write"]) == (Exit.OK, 3)
    assert {key: found for key, found in hashes(regions, "train/").items() if key != "README"} == attacked


def test_copies_that_s3_slows_down_are_repeated(regions: Regions, before: dict[str, str]) -> None:
    regions.s3[PRIMARY].delete_object(Bucket=BUCKET, Key=NAMES[0])
    slow = {"kind": "operation", "operation": "s3:CopyObject", "error": "SlowDown", "times": 3}
    regions.aws.emulator.faults.add(parse(slow))

    assert restore("--yes")[0] == Exit.OK
    assert hashes(regions, "train/") == before


def test_denied_key_is_named_with_the_permission(regions: Regions) -> None:
    kms = regions.aws.client("kms", PRIMARY)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    configuration = {"Rules": [rule]}
    regions.s3[PRIMARY].put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=configuration)
    put(regions, a="1")
    let_a_day_pass()
    regions.s3[PRIMARY].delete_object(Bucket=BUCKET, Key="a")
    statement = {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    code, found = restore("--yes", prefix="")

    assert code == Exit.FAILED
    (problem,) = found["problems"]
    assert f"is not authorized to perform: kms:Decrypt on resource: {key}" in problem["fact"]
    assert problem["remedy"] == "allow it in the key's policy and in the identity's policy"


def test_object_that_is_written_meanwhile_is_not_overwritten(regions: Regions, before: dict[str, str]) -> None:
    regions.s3[PRIMARY].delete_object(Bucket=BUCKET, Key=NAMES[0])
    regions.aws.emulator.faults.add(
        parse({"kind": "operation", "operation": "s3:CopyObject", "error": "PreconditionFailed", "times": 1})
    )
    code, found = restore("--yes")

    assert (code, found["failed"]) == (Exit.FAILED, 1)
    assert "was written while the restore ran" in found["problems"][0]["fact"]


def test_archived_object_is_named_with_what_to_do(regions: Regions) -> None:
    s3 = regions.s3[PRIMARY]
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"1", StorageClass="DEEP_ARCHIVE")
    let_a_day_pass()
    s3.delete_object(Bucket=BUCKET, Key="a")
    code, found = restore(prefix="")

    assert code == Exit.FAILED
    assert found["problems"][0]["remedy"].startswith("`aws s3api restore-object`")


def test_bucket_without_versioning_is_refused(regions: Regions) -> None:
    regions.stop_replication()
    regions.s3[PRIMARY].put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    code, found = restore("--yes")

    assert code == Exit.REFUSED
    assert found["problems"][0]["fact"] == "versioning is suspended: a restore would replace objects for good"


def test_region_that_does_not_answer_fails_and_nothing_is_claimed(regions: Regions) -> None:
    regions.aws.emulator.faults.add(parse({"kind": "region", "region": PRIMARY, "unreachable": True}))
    code, found = restore("--yes")

    assert code == Exit.FAILED
    assert found["problems"][0]["fact"].startswith("us-east-1 does not answer")


@pytest.mark.usefixtures("regions")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--as-of": "yesterday"}, "is not a time of ISO 8601"),
        ({"--as-of": "2026-11-28T12:00:00"}, "has no time zone"),
        ({"--as-of": "2126-11-28T12:00:00Z"}, "is in the future"),
        ({"--bucket": BUCKET[:-1]}, f'did you mean "{BUCKET}"?'),
        ({"--to": "train/"}, "it is the restored prefix itself"),
        ({"--to": "t"}, "the restored prefix train/ is below it"),
        ({"--to": "other/", "--delete-created": None}, "with --to nothing is deleted"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, str | None], message: str) -> None:
    values = {"--bucket": BUCKET, "--prefix": "train/", "--as-of": "2026-11-28T12:00:00Z", **options}
    words = [word for name, value in values.items() for word in (name, value) if word is not None]
    code, found = run("restore", *words)

    assert code == Exit.INVALID
    assert message in json.dumps(found).replace('\\"', '"')
