"""RestoreTesting: scheduled restores of the newest recovery points of a region's vaults, by AWS Backup.

AWS Backup restores the newest recovery point of each resource, records how long that took, and deletes what it restored
once the validation window is over (developer guide, "Restore testing"). It derives the parameters of a restore itself,
for Aurora also where: in the default VPC, unless a selection names subnets ("Restore testing inferred metadata"). It
restores an Aurora cluster without an instance. EKS is not among the types that it supports (API reference,
RestoreTestingSelectionForCreate).

A restore test is charged per recovery point, and what it restores is charged while it exists: a bucket of 1 TB costs
$0.023 x 1,000 for a month, so about 1/730 of that for each hour (AWS Backup and S3 pricing pages).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import backup

from components.data.backup_role import backup_role
from components.iam import RESTORE_POLICIES
from dr.data.recovery_points import CLUSTERS

TYPES = ("S3", "EBS", "EFS", "DynamoDB")
"""Resource types that AWS Backup restores without parameters of ours."""
NAME = re.compile(r"[A-Za-z0-9_]{1,50}")
START_HOURS = 8
WINDOW_DAYS = 7
"""A recovery point of the last week is restored: an older one would not show that backups still work."""


@dataclass(frozen=True)
class RestoreTestingArgs:
    """Arguments of `RestoreTesting`.

    Args:
        name: The plan's name: 1 to 50 letters, digits and _.
        region: The region in which recovery points are restored.
        vault_arns: ARNs of the vaults with the recovery points.
        schedule: Start time in UTC, as an AWS cron expression.
        validation_hours: Hours for which a restored resource exists, 1 to 168.
        clusters_to: Where Aurora clusters are restored, as restore metadata; None: they are not tested.
        tags: Tags of the plan and of the role.

    Raises:
        ValueError: The name or the window is invalid.
    """

    name: str
    region: str
    vault_arns: Sequence[pulumi.Input[str]]
    schedule: str
    validation_hours: int = 4
    clusters_to: pulumi.Input[Mapping[str, str]] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"restore testing plan name {self.name!r} is not valid: use 1 to 50 letters, digits and _; rename it"
            )
        if not 1 <= self.validation_hours <= 168:
            raise ValueError(
                f"restore testing plan {self.name}: validation_hours {self.validation_hours} is not valid: AWS Backup "
                "accepts 1 to 168; choose hours in that range"
            )


class RestoreTesting(pulumi.ComponentResource):
    """A restore testing plan, a selection for each type, and the role that restores."""

    def __init__(self, name: str, args: RestoreTestingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:RestoreTesting", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        purpose = f"AWS Backup: restore recovery points for tests in {args.region}"
        role_arn = backup_role(f"{name}-role", purpose, RESTORE_POLICIES, args.tags, self)
        plan = backup.RestoreTestingPlan(
            f"{name}-plan",
            name=args.name,
            schedule_expression=args.schedule,
            schedule_expression_timezone="Etc/UTC",
            start_window_hours=START_HOURS,
            recovery_point_selection=backup.RestoreTestingPlanRecoveryPointSelectionArgs(
                algorithm="LATEST_WITHIN_WINDOW",
                include_vaults=list(args.vault_arns),
                recovery_point_types=["SNAPSHOT"],
                selection_window_days=WINDOW_DAYS,
            ),
            region=args.region,
            tags=dict(args.tags),
            opts=own,
        )
        overrides = {} if args.clusters_to is None else {CLUSTERS: args.clusters_to}
        for kind in (*TYPES, *overrides):
            backup.RestoreTestingSelection(
                f"{name}-{kind.lower()}",
                name=kind.lower(),
                restore_testing_plan_name=plan.name,
                protected_resource_type=kind,
                protected_resource_arns=["*"],
                iam_role_arn=role_arn,
                restore_metadata_overrides=overrides.get(kind),
                validation_window_hours=args.validation_hours,
                region=args.region,
                opts=own,
            )
        self.register_outputs({})
