"""A volume, a database cluster and buckets of the primary region with copies in the recovery region, as deployed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dr.control.contract import DatabaseRecord
from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import make_role
from tests.sandbox.aws.test_extensions_backup_restores import POLICIES
from tests.support.sets import PRIMARY, RECOVERY, Regions, bucket

LOCAL, COPIES = "ml-dr-backups", "ml-dr-backups"
CLUSTER, ENGINE, VERSION = "ml-dr-primary", "aurora-postgresql", "17.7"
SUBNETS = "data"


@dataclass
class Copied:
    """What was copied.

    Args:
        regions: The buckets.
        volume: ID of the volume.
        role: ARN of the role of the backups.
        control: Calls the emulator's control API.
        group: ID of a security group of the recovery region.
        version: Version of the engine, by the contract.
    """

    regions: Regions
    volume: str
    role: str
    control: Callable[..., Any]
    group: str
    version: str = VERSION

    @property
    def home(self) -> DatabaseRecord:
        """The primary region's part of the database."""
        return DatabaseRecord("ml-dr", CLUSTER, "", self.version, "db.r6g.large")

    @property
    def away(self) -> DatabaseRecord:
        """The recovery region's part: where a cluster can be."""
        return DatabaseRecord("ml-dr", "", "", VERSION, "", subnet_group=SUBNETS, security_groups=(self.group,))

    @property
    def aws(self) -> Running:
        return self.regions.aws

    def back_up(self) -> None:
        """Let an hour pass, in which everything is backed up and copied."""
        self.control("POST", "clock", {"advance": 3600})

    def volumes(self) -> list[dict[str, Any]]:
        """Return the volumes of the recovery region."""
        return list(self.aws.client("ec2", RECOVERY).describe_volumes()["Volumes"])

    def clusters(self) -> list[str]:
        """Return the database clusters of the recovery region."""
        found = self.aws.client("rds", RECOVERY).describe_db_clusters()["DBClusters"]
        return [each["DBClusterIdentifier"] for each in found]


def copied(regions: Regions, control: Callable[..., Any], pairs: tuple[str, ...] = ("models",)) -> Copied:
    """Make a volume, a cluster and the plans; nothing is backed up yet."""
    aws, key = regions.aws, dict[str, str]()
    role = make_role(aws, "backups", "backup.amazonaws.com")
    for policy in POLICIES:
        aws.client("iam", PRIMARY).attach_role_policy(RoleName="backups", PolicyArn=policy)
    for region, vault in ((PRIMARY, LOCAL), (RECOVERY, COPIES)):
        key[region] = aws.client("kms", region).create_key()["KeyMetadata"]["Arn"]
        aws.client("backup", region).create_backup_vault(BackupVaultName=vault, EncryptionKeyArn=key[region])
    tags = {"ResourceType": "volume", "Tags": [{"Key": "backup", "Value": "enabled"}]}
    wanted = {"AvailabilityZone": f"{PRIMARY}a", "Size": 20, "VolumeType": "gp3", "TagSpecifications": [tags]}
    volume = aws.client("ec2", PRIMARY).create_volume(**wanted, Encrypted=True)["VolumeId"]
    aws.client("rds", PRIMARY).create_db_cluster(
        **{"DBClusterIdentifier": CLUSTER, "Engine": ENGINE, "EngineVersion": VERSION},
        **{"MasterUsername": "registry", "MasterUserPassword": "a-password-of-a-test"},
        **{"StorageEncrypted": True, "KmsKeyId": key[PRIMARY]},
    )
    subnets = [each["SubnetId"] for each in aws.client("ec2", RECOVERY).describe_subnets()["Subnets"]]
    about = {"DBSubnetGroupName": SUBNETS, "DBSubnetGroupDescription": "data"}
    aws.client("rds", RECOVERY).create_db_subnet_group(**about, SubnetIds=subnets)
    group = aws.client("ec2", RECOVERY).describe_security_groups()["SecurityGroups"][0]["GroupId"]
    there = f"arn:aws:backup:{RECOVERY}:123456789012:backup-vault:{COPIES}"
    rule = {
        **{"RuleName": "hourly", "TargetBackupVaultName": LOCAL, "ScheduleExpression": "cron(0 * * * ? *)"},
        "CopyActions": [{"DestinationBackupVaultArn": there}],
    }
    here = aws.client("backup", PRIMARY)
    plan = here.create_backup_plan(BackupPlan={"BackupPlanName": "all", "Rules": [rule]})["BackupPlanId"]
    arns = [f"arn:aws:s3:::{bucket(PRIMARY, pair)}" for pair in pairs]
    arns.append(f"arn:aws:ec2:{PRIMARY}:123456789012:volume/{volume}")
    arns.append(f"arn:aws:rds:{PRIMARY}:123456789012:cluster:{CLUSTER}")
    here.update_region_settings(ResourceTypeOptInPreference={"Aurora": True})
    selection = {"SelectionName": "all", "IamRoleArn": role, "Resources": arns}
    here.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    return Copied(regions, volume, role, control, group)
