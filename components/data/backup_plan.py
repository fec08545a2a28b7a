"""BackupPlan: everything in a region that is tagged `backup=enabled`, backed up on a schedule and copied away.

By tag, because a list would miss what is made later. The plan itself costs nothing: recovery points do (see
`components/data/backup_vault.py`), twice where they are copied, and a copy from us-east-1 to another region costs
$0.02 a GB for its transfer (us-east-2: $0.01). Each first backup and first copy is a full one.

A tag selects only the types of resources that the region's opt-in settings of AWS Backup name, which are the account's
own and not set here. Copies of continuous backups would be snapshots, so none are made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import backup, iam

from components.data.backup_rules import BackupRule, VaultLock, refuse_what_a_lock_refuses
from components.iam import BACKUP_POLICIES, trust_service
from components.tagging import BACKUP_TAG

START_WINDOW_MINUTES = 60
"""The shortest AWS takes: a backup that starts late is an older one the next day."""

COMPLETION_WINDOW_MINUTES = 7 * 24 * 60
"""AWS's own default. A backup that is not complete by then is cancelled, and a first one copies everything."""

PLAN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}")


@dataclass(frozen=True)
class BackupPlanArgs:
    """Arguments of `BackupPlan`.

    Args:
        name: The plan's name: 1 to 50 letters, digits and _ . -.
        region: The region whose tagged resources are backed up.
        vault_name: Name of the vault, in that region, that is backed up to.
        copy_to: ARN of a vault in another region that each backup is copied to; None for no copies.
        rules: When, and how long kept; one at least.
        running: Whether plan and selection exist. Without them there is the role alone, which exists in every tier,
            so that a change of tier calls no IAM.
        vault_lock: The lock of the vault, if it has one: a retention it would refuse is refused here.
        copy_lock: The same, of the vault that is copied to.
        tags: Tags of plan and role.
    """

    name: str
    region: str
    vault_name: pulumi.Input[str]
    copy_to: pulumi.Input[str] | None = None
    rules: Sequence[BackupRule] = (BackupRule(),)
    running: bool = True
    vault_lock: VaultLock | None = None
    copy_lock: VaultLock | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not PLAN_NAME.fullmatch(self.name):
            raise ValueError(f"backup plan {self.name!r}: AWS takes 1 to 50 letters, digits and _ . -; rename it")
        names = [rule.name for rule in self.rules]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"backup plan {self.name} has the rules {names}, and needs one or more, each of another name; "
                "add or rename one"
            )
        if isinstance(self.copy_to, str):
            self._check_target(self.copy_to)
        for rule in self.rules:
            if rule.copy_retention_days is not None and self.copy_to is None:
                raise ValueError(
                    f"backup rule {rule.name} keeps copies for {rule.copy_retention_days} days, and plan {self.name} "
                    "makes none; give it copy_to, or leave the days out"
                )
            refuse_what_a_lock_refuses(rule.name, rule.retention_days, self.vault_lock)
            if self.copy_to is not None:
                refuse_what_a_lock_refuses(rule.name, rule.copy_days, self.copy_lock)

    def _check_target(self, target: str) -> None:
        parts = target.split(":")
        if len(parts) != 7 or parts[2] != "backup" or parts[5] != "backup-vault":
            raise ValueError(
                f"backup plan {self.name} copies to {target!r}, which is no vault's ARN; "
                "give it arn:aws:backup:<region>:<account>:backup-vault:<name>"
            )
        if parts[3] == self.region:
            raise ValueError(
                f"backup plan {self.name} copies from {self.region} to {self.region}, and both would be lost together; "
                "name a vault in another region"
            )


class BackupPlan(pulumi.ComponentResource):
    """A plan, what it selects, and the role it does so with.

    Attributes:
        plan_id: The plan's id; None while it does not run.
        role_arn: ARN of the role that AWS Backup backs up with, and that a restore names.
    """

    plan_id: pulumi.Output[str | None]
    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BackupPlanArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:BackupPlan", name, None, opts)
        role, policies = self._role(f"{name}-role", args)
        self.role_arn = role.arn
        plan_id = self._plan(name, args, role, policies) if args.running else None
        self.plan_id = pulumi.Output.from_input(plan_id)
        self.register_outputs({"plan_id": self.plan_id, "role_arn": self.role_arn})

    def _role(self, name: str, args: BackupPlanArgs) -> tuple[iam.Role, list[pulumi.Resource]]:
        opts = pulumi.ResourceOptions(parent=self)
        role = iam.Role(
            name,
            assume_role_policy=trust_service("backup.amazonaws.com"),
            description=f"Backs up and restores what is tagged in {args.region}",
            tags=dict(args.tags),
            opts=opts,
        )
        attached: list[pulumi.Resource] = [
            iam.RolePolicyAttachment(f"{name}-{what}", role=role.name, policy_arn=arn, opts=opts)
            for what, arn in BACKUP_POLICIES.items()
        ]
        return role, attached

    def _plan(
        self, name: str, args: BackupPlanArgs, role: iam.Role, policies: list[pulumi.Resource]
    ) -> pulumi.Output[str]:
        plan = backup.Plan(
            f"{name}-plan",
            name=args.name,
            rules=[_rule(rule, args) for rule in args.rules],
            region=args.region,
            tags=dict(args.tags),
            opts=pulumi.ResourceOptions(parent=self),
        )
        ((key, value),) = BACKUP_TAG.items()
        backup.Selection(
            f"{name}-selection",
            name="tagged",
            plan_id=plan.id,
            iam_role_arn=role.arn,
            selection_tags=[{"type": "STRINGEQUALS", "key": key, "value": value}],
            region=args.region,
            # AWS refuses a selection whose role cannot look for tagged resources yet.
            opts=pulumi.ResourceOptions(parent=self, depends_on=policies),
        )
        return plan.id


def _rule(rule: BackupRule, args: BackupPlanArgs) -> backup.PlanRuleArgs:
    copies: list[pulumi.Input[backup.PlanRuleCopyActionArgs]] = []
    if args.copy_to is not None:
        kept = backup.PlanRuleCopyActionLifecycleArgs(delete_after=rule.copy_days)
        copies.append(backup.PlanRuleCopyActionArgs(destination_vault_arn=args.copy_to, lifecycle=kept))
    return backup.PlanRuleArgs(
        rule_name=rule.name,
        target_vault_name=args.vault_name,
        schedule=rule.schedule,
        schedule_expression_timezone="Etc/UTC",
        start_window=START_WINDOW_MINUTES,
        completion_window=COMPLETION_WINDOW_MINUTES,
        lifecycle=backup.PlanRuleLifecycleArgs(delete_after=rule.retention_days),
        copy_actions=copies,
    )
