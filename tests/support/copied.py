"""A volume, and each bucket, of the primary region with copies in the recovery region's vault, as deployed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.server import Running
from tests.sandbox.aws.test_extensions_backup import make_role
from tests.sandbox.aws.test_extensions_backup_restores import POLICIES
from tests.support.sets import PRIMARY, RECOVERY, Regions, bucket

LOCAL, COPIES = "ml-dr-backups", "ml-dr-backups"


@dataclass
class Copied:
    """What was copied.

    Args:
        regions: The buckets.
        volume: ID of the volume.
        role: ARN of the role of the backups.
        control: Calls the emulator's control API.
    """

    regions: Regions
    volume: str
    role: str
    control: Callable[..., Any]

    @property
    def aws(self) -> Running:
        return self.regions.aws

    def back_up(self) -> None:
        """Let an hour pass, in which everything is backed up and copied."""
        self.control("POST", "clock", {"advance": 3600})

    def volumes(self) -> list[dict[str, Any]]:
        """Return the volumes of the recovery region."""
        return list(self.aws.client("ec2", RECOVERY).describe_volumes()["Volumes"])


def copied(regions: Regions, control: Callable[..., Any], pairs: tuple[str, ...] = ("models",)) -> Copied:
    """Make a volume and the plans; nothing is backed up yet."""
    aws = regions.aws
    role = make_role(aws, "backups", "backup.amazonaws.com")
    for policy in POLICIES:
        aws.client("iam", PRIMARY).attach_role_policy(RoleName="backups", PolicyArn=policy)
    for region, vault in ((PRIMARY, LOCAL), (RECOVERY, COPIES)):
        key = aws.client("kms", region).create_key()["KeyMetadata"]["Arn"]
        aws.client("backup", region).create_backup_vault(BackupVaultName=vault, EncryptionKeyArn=key)
    tags = {"ResourceType": "volume", "Tags": [{"Key": "backup", "Value": "enabled"}]}
    wanted = {"AvailabilityZone": f"{PRIMARY}a", "Size": 20, "VolumeType": "gp3", "TagSpecifications": [tags]}
    volume = aws.client("ec2", PRIMARY).create_volume(**wanted, Encrypted=True)["VolumeId"]
    there = f"arn:aws:backup:{RECOVERY}:123456789012:backup-vault:{COPIES}"
    rule = {
        **{"RuleName": "hourly", "TargetBackupVaultName": LOCAL, "ScheduleExpression": "cron(0 * * * ? *)"},
        "CopyActions": [{"DestinationBackupVaultArn": there}],
    }
    here = aws.client("backup", PRIMARY)
    plan = here.create_backup_plan(BackupPlan={"BackupPlanName": "all", "Rules": [rule]})["BackupPlanId"]
    arns = [f"arn:aws:s3:::{bucket(PRIMARY, pair)}" for pair in pairs]
    arns.append(f"arn:aws:ec2:{PRIMARY}:123456789012:volume/{volume}")
    selection = {"SelectionName": "all", "IamRoleArn": role, "Resources": arns}
    here.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    return Copied(regions, volume, role, control)
