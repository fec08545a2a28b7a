"""Topics, their policies and subscriptions.

After internal/service/sns/{topic,topic_policy,topic_subscription}.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

import json
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType

OF_TOPIC = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId", "signatureVersion": "SignatureVersion"}
"""Property to attribute. All attributes of SNS are strings."""
DEFAULT_ACTIONS = (
    *("SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission"),
    *("SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"),
)


def _attributes(topic: Resource) -> dict[str, str]:
    return dict(topic.send("get_topic_attributes", TopicArn=topic.id)["Attributes"])


def _set(topic: Resource, name: str, value: str) -> None:
    topic.send("set_topic_attributes", TopicArn=topic.id, AttributeName=name, AttributeValue=value)


def _set_all(topic: Resource) -> None:
    """Set each attribute by a call of its own."""
    for name, attribute in OF_TOPIC.items():
        if topic.changed is None or name in topic.changed:
            if (value := topic.wanted.get(name)) is not None:
                _set(topic, attribute, str(value))
            elif topic.changed:
                _set(topic, attribute, "")


def _create_topic(topic: Resource) -> None:
    Call("create_topic", identifier="TopicArn")(topic)
    _set_all(topic)


def _read_topic(topic: Resource) -> dict[str, Any]:
    found = _attributes(topic)
    version = found.get("SignatureVersion")
    return {
        **{name: value for name, value in found.items() if value != ""},
        "Name": found["TopicArn"].rpartition(":")[2],
        "SignatureVersion": int(version) if version else None,
    }


TOPIC = ResourceType(
    token="aws:sns/topic:Topic",
    service="sns",
    shape="CreateTopicInput",
    properties="""name! displayName=DisplayName:string kmsMasterKeyId=KmsMasterKeyId:string
                  signatureVersion=SignatureVersion:integer""",
    outputs="arn=TopicArn:string owner=Owner:string",
    identity="{TopicArn}",
    auto_name=AutoName("name", 80),
    computed=frozenset({"signatureVersion"}),
    replace_on=frozenset({"name"}),
    checks=(matches("name", r"[A-Za-z0-9_-]{1,80}", "1 to 80 letters, digits, _ and -"),),
    create=_create_topic,
    read=_read_topic,
    update=((" ".join(OF_TOPIC), _set_all),),
    delete=Call("delete_topic"),
    tags=tagged("ResourceArn"),
)


def _put_policy(policy: Resource) -> None:
    policy.id = policy.wanted["arn"]
    _set(policy, "Policy", policy.wanted["policy"])


def _read_policy(policy: Resource) -> dict[str, Any]:
    found = _attributes(policy)
    return {"TopicArn": found["TopicArn"], "Policy": found["Policy"], "Owner": found["Owner"]}


def _default_policy(policy: Resource) -> None:
    """Restore the policy that AWS gives a new topic: a topic always has one."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": list(DEFAULT_ACTIONS),
        "Resource": policy.id,
        "Condition": {"StringEquals": {"AWS:SourceOwner": policy.id.split(":")[4]}},
    }
    _set(policy, "Policy", json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}))


TOPIC_POLICY = ResourceType(
    token="aws:sns/topicPolicy:TopicPolicy",
    service="sns",
    properties="arn=TopicArn:string! policy=Policy:json!",
    outputs="owner=Owner:string",
    identity="{TopicArn}",
    replace_on=frozenset({"arn"}),
    create=_put_policy,
    read=_read_policy,
    update=(("policy", _put_policy),),
    delete=_default_policy,
)


def _subscribe(subscription: Resource) -> None:
    wanted = subscription.wanted
    arguments = {"TopicArn": wanted["topic"], "Protocol": wanted["protocol"], "Endpoint": wanted["endpoint"]}
    answer = subscription.send("subscribe", **arguments, ReturnSubscriptionArn=True)
    subscription.id = answer["SubscriptionArn"]
    if wanted.get("rawMessageDelivery"):
        _set_raw(subscription)


def _set_raw(subscription: Resource) -> None:
    subscription.send(
        "set_subscription_attributes",
        SubscriptionArn=subscription.id,
        AttributeName="RawMessageDelivery",
        AttributeValue=str(bool(subscription.wanted.get("rawMessageDelivery"))).lower(),
    )


def _read_subscription(subscription: Resource) -> dict[str, Any]:
    found = subscription.send("get_subscription_attributes", SubscriptionArn=subscription.id)["Attributes"]
    return {
        **found,
        "RawMessageDelivery": found.get("RawMessageDelivery") == "true",
        "PendingConfirmation": found.get("PendingConfirmation") == "true",
    }


SUBSCRIPTION = ResourceType(
    token="aws:sns/topicSubscription:TopicSubscription",
    service="sns",
    shape="SubscribeInput",
    properties="topic=TopicArn:string! protocol! endpoint! rawMessageDelivery=RawMessageDelivery:boolean",
    outputs="arn=SubscriptionArn:string ownerId=Owner:string pendingConfirmation=PendingConfirmation:boolean",
    identity="{SubscriptionArn}",
    defaults={"rawMessageDelivery": False},
    replace_on=frozenset({"topic", "protocol", "endpoint"}),
    allowed={
        "protocol": ("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"),
    },
    create=_subscribe,
    read=_read_subscription,
    update=(("rawMessageDelivery", _set_raw),),
    delete=Call("unsubscribe"),
)

TYPES = (TOPIC, TOPIC_POLICY, SUBSCRIPTION)
