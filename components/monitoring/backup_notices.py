"""BackupNotices: an EventBridge rule that reports failed jobs of AWS Backup in a region to its alert topic.

AWS Backup sends events at best effort, every five minutes (developer guide, "Monitoring AWS Backup events using Amazon
EventBridge"). A copy job is an event of the region it copies from. When that region is lost, no event arrives; the age
of the newest copy is an alarm in the other region. Events of AWS services are free (EventBridge pricing page).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import cloudwatch

JOBS = ("Backup Job State Change", "Copy Job State Change", "Restore Job State Change")
FAILED = ("FAILED", "EXPIRED", "ABORTED", "PARTIAL")
"""States of a job that needs attention: EXPIRED did not start in its start window or not complete in its completion
window, PARTIAL left out objects."""
PATTERN = {
    "source": ["aws.backup"],
    "detail-type": list(JOBS),
    # Events of restore jobs have `status`, the others `state`.
    "detail": {"$or": [{"state": list(FAILED)}, {"status": list(FAILED)}]},
}
PATHS = {
    **{"kind": "$.detail-type", "region": "$.region", "time": "$.time"},
    **{"state": "$.detail.state", "status": "$.detail.status"},
    **{"resource": "$.detail.resourceArn", "type": "$.detail.resourceType", "reason": "$.detail.statusMessage"},
}
TEMPLATE = (
    '"AWS Backup in <region> at <time>: <kind>: <state><status>, <type> <resource>. <reason> '
    'Look at `aws backup list-backup-jobs`, `list-copy-jobs` or `list-restore-jobs --region <region>`."'
)


@dataclass(frozen=True)
class BackupNoticesArgs:
    """Arguments of `BackupNotices`.

    Args:
        name: The rule's name.
        region: The region of the jobs and of the topic.
        topic_arn: ARN of a topic to which EventBridge may publish.
        dead_letters_arn: ARN of a queue for events that did not reach the topic, to which the rule may send.
        tags: Tags of the rule.
    """

    name: str
    region: str
    topic_arn: pulumi.Input[str]
    dead_letters_arn: pulumi.Input[str]
    tags: Mapping[str, str] = field(default_factory=dict)


class BackupNotices(pulumi.ComponentResource):
    """The rule and its target."""

    def __init__(self, name: str, args: BackupNoticesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:BackupNotices", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        rule = cloudwatch.EventRule(
            f"{name}-rule",
            name=args.name,
            description="Jobs of AWS Backup that failed, expired, were aborted or are incomplete",
            event_pattern=json.dumps(PATTERN),
            region=args.region,
            tags=dict(args.tags),
            opts=own,
        )
        cloudwatch.EventTarget(
            f"{name}-target",
            rule=rule.name,
            target_id="alerts",
            arn=args.topic_arn,
            dead_letter_config=cloudwatch.EventTargetDeadLetterConfigArgs(arn=args.dead_letters_arn),
            input_transformer=cloudwatch.EventTargetInputTransformerArgs(input_paths=PATHS, input_template=TEMPLATE),
            region=args.region,
            opts=own,
        )
        self.register_outputs({})
