"""`dr restore-volume` against the emulator: from a copy, once, and with each thing that stops it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dr.errors import Exit
from sandbox.aws.faults import parse
from tests.sandbox.aws.test_extensions_backup import make_role
from tests.support.copied import COPIES, Copied
from tests.support.sets import PRIMARY, RECOVERY, run, text


def test_a_volume_is_restored_from_its_copy_while_the_primary_region_is_lost(place: Copied, tmp_path: Path) -> None:
    place.aws.emulator.faults.add(parse({"kind": "region", "region": PRIMARY, "unreachable": True}))
    assert run("restore-volume")[1][0]["volume"] == place.volume
    assert place.volume in text("restore-volume")

    code, planned = run("restore-volume", place.volume)
    assert (code, planned["executed"], place.volumes()) == (Exit.OK, False, [])
    file = tmp_path / "volume.json"
    wanted = ("restore-volume", place.volume, "--zone", f"{RECOVERY}b", "--claim", "ml-serving/models")
    code, done = run(*wanted, "--manifest", str(file), "--yes")

    (made,) = place.volumes()
    assert (code, done["restored"], done["manifest"]) == (Exit.OK, made["VolumeId"], str(file))
    assert (made["Size"], made["Encrypted"], made["AvailabilityZone"]) == (20, True, f"{RECOVERY}b")
    vault = place.aws.client("backup", RECOVERY).describe_backup_vault(BackupVaultName=COPIES)
    assert made["KmsKeyId"] == vault["EncryptionKeyArn"]
    assert {each["Key"]: each["Value"] for each in made["Tags"]} == {
        "backup": "enabled",
        "ml-dr-restored-from": done["recovery_point"],
    }
    volume, claim = json.loads(file.read_text())["items"]
    assert volume["spec"]["csi"]["volumeHandle"] == made["VolumeId"]
    assert volume["spec"]["claimRef"] == {"namespace": "ml-serving", "name": claim["metadata"]["name"]}
    (terms,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms["matchExpressions"][0]["values"] == [f"{RECOVERY}b"]


def test_a_repeated_command_restores_no_second_volume_and_again_does(place: Copied) -> None:
    _, first = run("restore-volume", place.volume, "--yes")
    _, second = run("restore-volume", place.volume, "--yes")
    assert (second["job"], second["restored"], len(place.volumes())) == (first["job"], first["restored"], 1)

    place.aws.client("ec2", RECOVERY).delete_volume(VolumeId=first["restored"])
    code, refused = run("restore-volume", place.volume, "--yes")
    assert (code, "--again" in refused["problems"][0]["remedy"]) == (Exit.REFUSED, True)
    assert run("restore-volume", place.volume, "--yes", "--again")[1]["restored"] != first["restored"]


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (("vol-0000", "--yes"), "has no copy of it"),
        (("VOLUME", "--zone", f"{PRIMARY}a", "--yes"), "is not an available zone"),
        (("VOLUME", "--claim", "models", "--yes"), "is not NAMESPACE/NAME"),
    ],
    ids=["volume", "zone", "claim"],
)
def test_wrong_input_is_refused_before_anything_is_restored(
    place: Copied, arguments: tuple[str, ...], fact: str
) -> None:
    code, found = run("restore-volume", *(place.volume if each == "VOLUME" else each for each in arguments))

    assert (code, fact in found["problems"][0]["fact"]) == (Exit.INVALID, True)
    assert place.volumes() == []


def test_a_role_without_the_permission_fails_with_the_reason(place: Copied) -> None:
    role = make_role(place.aws, "powerless", "backup.amazonaws.com")
    code, found = run("restore-volume", place.volume, "--role", role, "--yes")

    assert (code, "not authorized to perform ec2:CreateVolume" in found["problems"][0]["fact"]) == (Exit.FAILED, True)


def test_a_vault_without_copies_says_so(place: Copied) -> None:
    backup = place.aws.client("backup", RECOVERY)
    for each in backup.list_recovery_points_by_backup_vault(BackupVaultName=COPIES)["RecoveryPoints"]:
        backup.delete_recovery_point(BackupVaultName=COPIES, RecoveryPointArn=each["RecoveryPointArn"])

    assert "has no copy of a volume" in text("restore-volume")
    assert run("restore-volume") == (Exit.OK, [])
