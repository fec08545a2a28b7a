"""BackupPlan: scheduled backups of every resource of some classes of data with the tag `backup=enabled`, with copies.

A selection names resource types by ARN and filters them by tag, so that resources created later are included. A type
that is named is backed up whatever the region's opt-in settings are, except Aurora (AWS Backup developer guide, "Assign
resources with AWS CLI"). A selection by tag alone covers only the types that the region opted in to.

A plan is free. Recovery points are charged (see `components/data/backup_vault.py`), twice if they are copied. A copy
from us-east-1 to another region costs $0.02 a GB for its transfer (from us-east-2: $0.01). The first backup and the
first copy of each resource are full ones. A copy of a continuous backup is a snapshot, so rules do not enable
continuous backup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_aws import backup

from components.data.backup_role import backup_role
from components.data.backup_rules import BackupRule, VaultLock, check_lock_allows
from components.iam import BACKUP_POLICIES
from components.tagging import BACKUP_TAG, REPLICA_TAG
from dr.topology.air_gap import HELD, AirGap
from dr.topology.backups import DataClass

START_WINDOW_MINUTES = 60
"""The shortest start window AWS Backup accepts. A late backup makes the next day's recovery point older."""

RESOURCE_TYPES: Mapping[DataClass, tuple[str, ...]] = {
    DataClass.OBJECTS: ("arn:aws:s3:::*",),
    DataClass.VOLUMES: ("arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:instance/*"),
    DataClass.FILES: ("arn:aws:elasticfilesystem:*:*:file-system/*", "arn:aws:fsx:*:*:file-system/*"),
    DataClass.DATABASES: ("arn:aws:dynamodb:*:*:table/*", "arn:aws:rds:*:*:db:*", "arn:aws:rds:*:*:cluster:*"),
}
"""ARNs of the resource types of each class. AWS Backup accepts at most 30 ARNs with wildcards in a selection."""

PLAN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}")


@dataclass(frozen=True)
class BackupPlanArgs:
    """Arguments of `BackupPlan`.

    Args:
        name: The plan's name: 1 to 50 letters, digits and _ . -.
        region: The region of the tagged resources.
        vault_name: Name of the vault in that region which stores the backups.
        copy_to: ARN of a vault in another region, to which each backup is copied; None for no copies.
        rules: Schedules and retention; at least one.
        classes: Classes of data that the plan backs up.
        role_arn: ARN of the role of another plan for its jobs; None: the plan has a role of its own.
        replicas: Whether to back up resources with the tag `backup=replica` too: they are written to.
        adopted: ARNs of resources without those tags that are backed up.
        running: Whether to create the plan and its selections. Without them only the role is created: it exists in
            every tier, so that a change of tier makes no IAM call.
        vault_lock: The vault's lock; None for none. Used to refuse a retention that the lock does not allow.
        copy_lock: The lock of the vault that receives the copies; None for none.
        air_gapped_to: ARN of a logically air-gapped vault in another region, to which each backup is copied as well;
            None for none.
        air_gap: What the logically air-gapped vault accepts; None: that is not checked.
        tags: Tags of the plan and the role.

    Raises:
        ValueError: A name, the rules, `copy_to` or a retention is invalid.
    """

    name: str
    region: str
    vault_name: pulumi.Input[str]
    copy_to: pulumi.Input[str] | None = None
    rules: Sequence[BackupRule] = (BackupRule(),)
    classes: Sequence[DataClass] = tuple(DataClass)
    role_arn: pulumi.Input[str] | None = None
    replicas: bool = False
    adopted: Sequence[str] = ()
    running: bool = True
    vault_lock: VaultLock | None = None
    copy_lock: VaultLock | None = None
    air_gapped_to: pulumi.Input[str] | None = None
    air_gap: AirGap | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not PLAN_NAME.fullmatch(self.name):
            raise ValueError(
                f"backup plan name {self.name!r} is not valid: use 1 to 50 letters, digits and _ . -; rename the plan"
            )
        names = [rule.name for rule in self.rules]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"backup plan {self.name} has rules {names}: at least one is required, and their names must be unique; "
                "add or rename a rule"
            )
        for name, target in (("copy_to", self.copy_to), ("air_gapped_to", self.air_gapped_to)):
            if isinstance(target, str):
                self._check_target(name, target)
        if self.air_gapped_to is not None:
            self._check_air_gap()
        for rule in self.rules:
            if rule.copy_retention_days is not None and self.copy_to is None:
                raise ValueError(
                    f"backup rule {rule.name} sets copy_retention_days to {rule.copy_retention_days}, but plan "
                    f"{self.name} makes no copies; set copy_to, or remove copy_retention_days"
                )
            check_lock_allows(rule.name, rule.retention_days, self.vault_lock)
            if self.copy_to is not None:
                check_lock_allows(rule.name, rule.copy_days, self.copy_lock)

    def _check_air_gap(self) -> None:
        """Refuse what AWS Backup would fail hours after the deployment."""
        if unheld := [str(data) for data in self.classes if data not in HELD]:
            raise ValueError(
                f"backup plan {self.name} would copy {', '.join(unheld)} to a logically air-gapped vault in another "
                f"region, which holds {', '.join(HELD)}; unset air_gapped_to"
            )
        for rule in self.rules:
            if self.air_gap and not self.air_gap.allows(rule.isolated_days):
                raise ValueError(
                    f"backup rule {rule.name} keeps its air-gapped copy for {rule.isolated_days} days, but the vault "
                    f"accepts {self.air_gap.min_days} to {self.air_gap.max_days}: AWS Backup would fail every copy; "
                    "change the rule's air_gapped_days or retention_days"
                )

    def _check_target(self, name: str, target: str) -> None:
        parts = target.split(":")
        if len(parts) != 7 or parts[2] != "backup" or parts[5] != "backup-vault":
            raise ValueError(
                f"backup plan {self.name}: {name} {target!r} is not the ARN of a backup vault; "
                "use arn:aws:backup:<region>:<account>:backup-vault:<name>"
            )
        if parts[3] == self.region:
            raise ValueError(
                f"backup plan {self.name} would copy to its own region, {self.region}: losing the region would lose "
                "backups and copies; name a vault in another region"
            )


class BackupPlan(pulumi.ComponentResource):
    """A backup plan, its selections, and if no other plan has it, the IAM role for backup and restore jobs.

    Attributes:
        plan_id: The plan's ID; None if `running` is false.
        role_arn: ARN of the role that AWS Backup assumes for backup jobs; restore jobs name it too.
    """

    plan_id: pulumi.Output[str | None]
    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BackupPlanArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:BackupPlan", name, None, opts)
        purpose = f"AWS Backup: back up and restore tagged resources in {args.region}"
        self.role_arn = pulumi.Output.from_input(
            args.role_arn or backup_role(f"{name}-role", purpose, BACKUP_POLICIES, args.tags, self)
        )
        plan_id = self._plan(name, args) if args.running else None
        self.plan_id = pulumi.Output.from_input(plan_id)
        self.register_outputs({"plan_id": self.plan_id, "role_arn": self.role_arn})

    def _plan(self, name: str, args: BackupPlanArgs) -> pulumi.Output[str]:
        plan = backup.Plan(
            f"{name}-plan",
            name=args.name,
            rules=[_rule(rule, args) for rule in args.rules],
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        by_tag = {"enabled": BACKUP_TAG, **({"replicas": REPLICA_TAG} if args.replicas else {})}
        selections: dict[str, tuple[Sequence[str], Mapping[str, str]]]
        types = [arn for data in args.classes for arn in RESOURCE_TYPES[data]]
        selections = {each: (types, tag) for each, tag in by_tag.items()}
        if args.adopted:
            selections["adopted"] = (tuple(args.adopted), {})
        for selection, (arns, tags) in selections.items():
            equal = [
                backup.SelectionConditionStringEqualArgs(key=f"aws:ResourceTag/{key}", value=value)
                for key, value in tags.items()
            ]
            backup.Selection(
                f"{name}-selection" if selection == "enabled" else f"{name}-{selection}",
                name=selection,
                plan_id=plan.id,
                iam_role_arn=self.role_arn,
                resources=arns,
                conditions=[backup.SelectionConditionArgs(string_equals=equal)] if equal else None,
                region=args.region,
                opts=pulumi.ResourceOptions(parent=self),
            )
        return plan.id


def _rule(rule: BackupRule, args: BackupPlanArgs) -> backup.PlanRuleArgs:
    copies: list[pulumi.Input[backup.PlanRuleCopyActionArgs]] = []
    if args.copy_to is not None:
        lifecycle = backup.PlanRuleCopyActionLifecycleArgs(delete_after=rule.copy_days, **_cold(rule))
        copies.append(backup.PlanRuleCopyActionArgs(destination_vault_arn=args.copy_to, lifecycle=lifecycle))
    if args.air_gapped_to is not None:
        lifecycle = backup.PlanRuleCopyActionLifecycleArgs(delete_after=rule.isolated_days)
        copies.append(backup.PlanRuleCopyActionArgs(destination_vault_arn=args.air_gapped_to, lifecycle=lifecycle))
    return backup.PlanRuleArgs(
        rule_name=rule.name,
        target_vault_name=args.vault_name,
        schedule=rule.schedule,
        schedule_expression_timezone="Etc/UTC",
        start_window=START_WINDOW_MINUTES,
        completion_window=rule.complete_hours * 60,
        lifecycle=backup.PlanRuleLifecycleArgs(delete_after=rule.retention_days, **_cold(rule)),
        copy_actions=copies,
    )


def _cold(rule: BackupRule) -> dict[str, Any]:
    """Return the move to cold storage; EBS moves only with the opt-in to its archive (API reference, Lifecycle)."""
    if rule.cold_days is None:
        return {}
    return {"cold_storage_after": rule.cold_days, "opt_in_to_archive_for_supported_resources": True}
