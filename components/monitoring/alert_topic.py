"""AlertTopic: where a region's alarms go. Encrypted, and open to CloudWatch of this account alone.

An e-mail address gets a link to confirm; until it is followed, nothing is sent to it. Costs cents: $0.50 a million
messages, e-mail $2 per 100,000 (SNS pricing page).
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
        region: The region whose alarms come here.
        key_arn: ARN of a key of that region that CloudWatch may use.
        addresses: Who is told: e-mail addresses and HTTPS URLs.
        tags: Tags of the topic.
    """

    name: str
    account: str
    region: str
    key_arn: pulumi.Input[str]
    addresses: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if wrong := [problem for address in self.addresses if (problem := address_problem(address))]:
            raise ValueError("; ".join(f"{fact}: {remedy}" for fact, remedy in wrong))


class AlertTopic(pulumi.ComponentResource):
    """A topic and its subscriptions.

    Attributes:
        arn: The topic, ready to be published to.
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
            policy=topic.arn.apply(lambda arn: publish_alarms(arn, args.account)),
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
        # Known once CloudWatch may publish: an alarm that fires before that would tell nobody.
        self.arn = pulumi.Output.all(topic.arn, policy.id).apply(lambda known: str(known[0]))
        self.register_outputs({"arn": self.arn})
