from __future__ import annotations

from components.compute.cluster_iam import BACKUPS
from components.kubernetes import protection_spec as spec
from components.kubernetes.protection import Protection, ProtectionArgs
from components.tagging import BACKUP_TAG
from dr.names import VELERO
from dr.topology.topology import STANDARD_PAIRS, Role
from tests.support.kubernetes import inside, protection

PRIMARY, RECOVERY = protection(Role.PRIMARY), protection(Role.RECOVERY)


def test_the_backup_is_daily_of_labelled_volumes_config_maps_and_secrets_and_kept_for_a_month() -> None:
    made = spec.schedule(PRIMARY)
    template = made["spec"]["template"]

    assert (made["metadata"]["namespace"], made["metadata"]["name"]) == ("velero", "ml-backup-daily")
    assert made["spec"]["schedule"] == "0 2 * * *"
    assert template["includedNamespaces"] == ["ml-serving", "ml-training", "mlflow"]
    assert template["includedResources"] == ["persistentvolumeclaims", "configmaps", "secrets"]
    assert template["labelSelector"] == {"matchLabels": {"backup": "enabled"}}
    assert template["ttl"].startswith("720h")


def test_volumes_go_by_the_data_mover_and_never_by_pods() -> None:
    template = spec.schedule(PRIMARY)["spec"]["template"]

    assert (template["snapshotVolumes"], template["snapshotMoveData"]) == (True, True)
    assert template["defaultVolumesToFsBackup"] is False


def test_volumes_are_of_the_driver_that_is_snapshotted_and_the_class_is_the_one_velero_takes() -> None:
    storage, snapshots = spec.storage_class(), spec.snapshot_class()

    assert storage["provisioner"] == snapshots["driver"] == "ebs.csi.aws.com"
    assert storage["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert storage["parameters"]["encrypted"] == "true"
    assert snapshots["metadata"]["labels"]["velero.io/csi-volumesnapshot-class"] == "true"
    # Moved bytes are elsewhere: a snapshot that stayed would only cost.
    assert snapshots["deletionPolicy"] == "Delete"


def test_aws_backup_takes_the_volumes_too() -> None:
    assert spec.storage_class()["parameters"]["tagSpecification_1"] == "=".join(*BACKUP_TAG.items())


def test_labels_of_one_class_are_not_those_of_every_object() -> None:
    spec.snapshot_class()

    assert "velero.io/csi-volumesnapshot-class" not in spec.storage_class()["metadata"]["labels"]


def test_the_recovery_region_reads_and_is_ready_to_write() -> None:
    primary, recovery = spec.location(PRIMARY), spec.location(RECOVERY)

    assert primary["spec"]["accessMode"] == "ReadWrite"
    assert recovery["spec"]["accessMode"] == "ReadOnly"
    assert (spec.schedule(PRIMARY)["spec"]["paused"], spec.schedule(RECOVERY)["spec"]["paused"]) == (False, True)


def test_a_backup_finds_its_location_in_the_other_region_by_the_same_name_over_that_regions_bucket() -> None:
    here, there = spec.location(PRIMARY), spec.location(spec.ProtectionSpec(Role.RECOVERY, "eu-west-1", "there"))

    assert here["metadata"] == there["metadata"]
    assert spec.schedule(PRIMARY)["spec"]["template"]["storageLocation"] == here["metadata"]["name"]
    assert there["spec"]["config"]["region"] == "eu-west-1"
    assert there["spec"]["objectStorage"]["bucket"] == "there"


def test_no_credentials_are_stored() -> None:
    assert "credential" not in spec.location(PRIMARY)["spec"]
    assert (BACKUPS.namespace, BACKUPS.service_account) == ("velero", "velero-server")


def test_what_expired_goes_on_both_sides_and_can_be_had_back_for_a_while() -> None:
    (pair,) = (each for each in STANDARD_PAIRS if each.name == VELERO)

    assert pair.replicate_deletes
    assert pair.noncurrent_days == 30


def test_the_schedule_comes_last() -> None:
    cloud = inside(lambda access: Protection("protection", ProtectionArgs(access, PRIMARY)))

    made = [each.type.rpartition(":")[2] for each in cloud.made if each.type.startswith("kubernetes:")]
    assert sorted(made) == ["BackupStorageLocation", "Schedule", "StorageClass", "VolumeSnapshotClass"]
    assert made[-1] == "Schedule"
