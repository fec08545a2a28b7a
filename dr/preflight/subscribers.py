"""Check that the alarm subscribers of the stack's region are subscribed, and have confirmed.

SNS sends no message to an e-mail address until its owner has confirmed by a link, which expires after two days (SNS
developer guide, "Confirm the subscription"). It then deletes the subscription (SNS API reference, Subscribe).
"""

from __future__ import annotations

from collections.abc import Iterator

from dr.clients import Missing, calls, client
from dr.findings import Finding, Status
from dr.preflight.check import Subject

PENDING = "PendingConfirmation"
"""Value of SubscriptionArn before the confirmation (SNS API reference, ListSubscriptionsByTopic)."""


def look(subject: Subject) -> Iterator[Finding]:
    """Check the subscriptions of the alert topic.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: SNS refused the request.
        Unreachable: The stack's region does not answer.
    """
    topology, region = subject.topology, subject.region
    name, topic = f"alarm subscribers in {region}", topology.alert_topic_arn(topology.role)
    if not topology.alert_addresses:
        yield Finding(name, Status.INFO, "dr:alertAddresses is none: no one is notified of an alarm")
        return
    try:
        with calls(f"topic {topology.alert_topic}", region):
            pages = client("sns", region).get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            found = {each["Endpoint"]: each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]}
    except Missing:
        yield Finding(name, Status.INFO, "the topic is not deployed; each e-mail address will have to confirm")
        return
    waiting = [each for each in topology.alert_addresses if found.get(each) == PENDING]
    if waiting:
        fact = f"{', '.join(waiting)} did not confirm: no alarm reaches them"
        yield Finding(name, Status.MISSED, fact, "open the link that AWS Notifications sent; it expires after two days")
        return
    missing = [each for each in topology.alert_addresses if each not in found]
    if missing:
        fact = f"{', '.join(missing)} not subscribed: no alarm reaches them"
        again = (
            f"`pulumi up --refresh -s {subject.stack}` subscribes them again; each e-mail address then has to confirm"
        )
        yield Finding(name, Status.MISSED, fact, again)
        return
    yield Finding(name, Status.MET, f"{len(found)} subscribed")
