"""AlertTopic: a region's encrypted SNS topic for alarms, to which CloudWatch of this account may publish.

An e-mail subscriber must confirm by a link before SNS delivers messages. Costs: $0.50 a million messages, e-mail $2 per
100,000 (SNS pricing page).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import sns

from components.iam import publish_alarms
from dr.config.alert_addresses import address_problem, protocol_of


@dataclass(frozen=True)
class AlertTopicArgs:
    """Arguments of `AlertTopic`.

    Args:
        name: The topic's name.
        account: The AWS account's twelve digits.
        region: The region of the alarms.
        key_arn: ARN of a KMS key of that region that CloudWatch may use.
        addresses: Alarm subscribers: e-mail addresses and HTTPS URLs.
        events: Whether rules of EventBridge may publish too.
        tags: Tags of the topic.

    Raises:
        ValueError: An address is not valid.
    """

    name: str
    account: str
    region: str
    key_arn: pulumi.Input[str]
    addresses: Sequence[str] = ()
    events: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if problems := [problem for address in self.addresses if (problem := address_problem(address))]:
            raise ValueError("; ".join(f"{fact}: {remedy}" for fact, remedy in problems))


class AlertTopic(pulumi.ComponentResource):
    """An SNS topic, its policy and its subscriptions.

    Attributes:
        arn: The topic's ARN; resolves when CloudWatch may publish to it.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlertTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:monitoring:AlertTopic", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        topic = sns.Topic(
            name,
            name=args.name,
            kms_master_key_id=args.key_arn,
            region=args.region,
            tags=dict(args.tags),
            opts=own,
        )
        policy = sns.TopicPolicy(
            f"{name}-policy",
            arn=topic.arn,
            policy=topic.arn.apply(lambda arn: publish_alarms(arn, args.account, args.events)),
            region=args.region,
            opts=own,
        )
        for address in args.addresses:
            sns.TopicSubscription(
                f"{name}-{address}",
                topic=topic.arn,
                protocol=protocol_of(address),
                endpoint=address,
                region=args.region,
                opts=own,
            )
        # The ARN waits for the policy: before that, alarms could not notify.
        self.arn = pulumi.Output.all(topic.arn, policy.id).apply(lambda values: str(values[0]))
        self.register_outputs({"arn": self.arn})
