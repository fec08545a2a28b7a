from __future__ import annotations

from components.compute.cluster_iam import BACKUPS
from components.kubernetes import protection_spec as spec
from components.kubernetes.protection import Protection, ProtectionArgs
from components.tagging import BACKUP_TAG
from dr.names import VELERO
from dr.topology.topology import STANDARD_PAIRS, Role
from tests.support.kubernetes import inside, protection

PRIMARY, RECOVERY = protection(Role.PRIMARY), protection(Role.RECOVERY)


def test_labelled_volumes_config_maps_and_secrets_are_backed_up_daily_for_a_month() -> None:
    made = spec.schedule(PRIMARY)
    template = made["spec"]["template"]

    assert (made["metadata"]["namespace"], made["metadata"]["name"]) == ("velero", "ml-backup-daily")
    assert made["spec"]["schedule"] == "0 2 * * *"
    assert template["includedNamespaces"] == ["ml-serving", "ml-training", "mlflow"]
    assert template["includedResources"] == ["persistentvolumeclaims", "configmaps", "secrets"]
    assert template["labelSelector"] == {"matchLabels": {"backup": "enabled"}}
    assert template["ttl"].startswith("720h")


def test_volumes_are_backed_up_by_the_data_mover_not_by_pods() -> None:
    template = spec.schedule(PRIMARY)["spec"]["template"]

    assert (template["snapshotVolumes"], template["snapshotMoveData"]) == (True, True)
    assert template["defaultVolumesToFsBackup"] is False


def test_storage_and_snapshot_class_have_the_same_driver_and_veleros_label() -> None:
    storage, snapshots = spec.storage_class(), spec.snapshot_class()

    assert storage["provisioner"] == snapshots["driver"] == "ebs.csi.aws.com"
    assert storage["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert storage["parameters"]["encrypted"] == "true"
    assert snapshots["metadata"]["labels"]["velero.io/csi-volumesnapshot-class"] == "true"
    # The data is in S3; a retained snapshot would only cost.
    assert snapshots["deletionPolicy"] == "Delete"


def test_volumes_have_the_tag_for_aws_backup() -> None:
    assert spec.storage_class()["parameters"]["tagSpecification_1"] == "=".join(*BACKUP_TAG.items())


def test_veleros_label_is_only_on_the_snapshot_class() -> None:
    spec.snapshot_class()

    assert "velero.io/csi-volumesnapshot-class" not in spec.storage_class()["metadata"]["labels"]


def test_the_recovery_regions_location_is_read_only_and_its_schedule_paused() -> None:
    primary, recovery = spec.location(PRIMARY), spec.location(RECOVERY)

    assert primary["spec"]["accessMode"] == "ReadWrite"
    assert recovery["spec"]["accessMode"] == "ReadOnly"
    assert (spec.schedule(PRIMARY)["spec"]["paused"], spec.schedule(RECOVERY)["spec"]["paused"]) == (False, True)


def test_locations_of_both_regions_share_a_name_and_use_their_own_bucket() -> None:
    here, there = spec.location(PRIMARY), spec.location(spec.ProtectionSpec(False, "eu-west-1", "there"))

    assert here["metadata"] == there["metadata"]
    assert spec.schedule(PRIMARY)["spec"]["template"]["storageLocation"] == here["metadata"]["name"]
    assert there["spec"]["config"]["region"] == "eu-west-1"
    assert there["spec"]["objectStorage"]["bucket"] == "there"


def test_backup_storage_location_contains_no_credentials() -> None:
    assert "credential" not in spec.location(PRIMARY)["spec"]
    assert (BACKUPS.namespace, BACKUPS.service_account) == ("velero", "velero-server")


def test_expired_backups_are_deleted_in_both_regions_and_recoverable_for_a_while() -> None:
    (pair,) = (each for each in STANDARD_PAIRS if each.name == VELERO)

    assert pair.replicate_deletes
    assert pair.noncurrent_days == 30


def test_schedule_is_created_after_its_location_and_snapshot_class() -> None:
    cloud = inside(lambda access: Protection("protection", ProtectionArgs(access, PRIMARY)))

    made = [each.type.rpartition(":")[2] for each in cloud.resources if each.type.startswith("kubernetes:")]
    assert sorted(made) == ["BackupStorageLocation", "Schedule", "StorageClass", "VolumeSnapshotClass"]
    # The others may be registered in any order, since nothing waits for the storage class.
    assert made.index("Schedule") > max(made.index("BackupStorageLocation"), made.index("VolumeSnapshotClass"))
