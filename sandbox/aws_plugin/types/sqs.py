"""Queues.

After internal/service/sqs/queue.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.calls import tagged
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType

ATTRIBUTES = {
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
"""Property to attribute. All attributes of SQS are strings."""
WHOLE = {"delaySeconds", "maxMessageSize", "messageRetentionSeconds", "receiveWaitTimeSeconds"}
WHOLE |= {"visibilityTimeoutSeconds"}


def _attributes(queue: Resource) -> dict[str, str]:
    wanted = {name: queue.wanted[name] for name in ATTRIBUTES if queue.wanted.get(name) is not None}
    if queue.changed is not None:
        wanted = {name: value for name, value in wanted.items() if name in queue.changed}
    return {
        ATTRIBUTES[name]: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in wanted.items()
    }


def _create(queue: Resource) -> None:
    name, tags = queue.wanted["name"], queue.wanted["tagsAll"]
    queue.id = queue.send("create_queue", QueueName=name, Attributes=_attributes(queue), tags=tags)["QueueUrl"]
    queue.tagged = True


def _read(queue: Resource) -> dict[str, Any]:
    found = queue.send("get_queue_attributes", QueueUrl=queue.id, AttributeNames=["All"])["Attributes"]
    read: dict[str, Any] = {name: found.get(attribute) for name, attribute in ATTRIBUTES.items()}
    read |= {name: int(read[name]) for name in WHOLE}
    return {
        "QueueName": queue.id.rpartition("/")[2],
        "QueueUrl": queue.id,
        "QueueArn": found["QueueArn"],
        **{ATTRIBUTES[name]: value for name, value in read.items()},
        "SqsManagedSseEnabled": found.get("SqsManagedSseEnabled") == "true",
    }


def _set(queue: Resource) -> None:
    queue.send("set_queue_attributes", QueueUrl=queue.id, Attributes=_attributes(queue))


QUEUE = ResourceType(
    token="aws:sqs/queue:Queue",
    service="sqs",
    shape="CreateQueueRequest",
    properties="""name=QueueName! delaySeconds=DelaySeconds:integer maxMessageSize=MaximumMessageSize:integer
                  messageRetentionSeconds=MessageRetentionPeriod:integer policy=Policy:json
                  receiveWaitTimeSeconds=ReceiveMessageWaitTimeSeconds:integer
                  sqsManagedSseEnabled=SqsManagedSseEnabled:boolean
                  visibilityTimeoutSeconds=VisibilityTimeout:integer""",
    outputs="arn=QueueArn:string url=QueueUrl:string",
    auto_name=AutoName("name", 80),
    defaults={
        **{"delaySeconds": 0, "maxMessageSize": 262144, "messageRetentionSeconds": 345600},
        **{"receiveWaitTimeSeconds": 0, "visibilityTimeoutSeconds": 30},
    },
    computed=frozenset({"policy", "sqsManagedSseEnabled"}),
    replace_on=frozenset({"name"}),
    checks=(
        matches("name", r"[0-9A-Za-z_-]{1,80}", "1 to 80 letters, digits, _ and -"),
        between("delaySeconds", 0, 900),
        between("maxMessageSize", 1024, 1_048_576),
        between("messageRetentionSeconds", 60, 1_209_600),
        between("visibilityTimeoutSeconds", 0, 43_200),
    ),
    create=_create,
    read=_read,
    update=((" ".join(ATTRIBUTES), _set),),
    delete=lambda queue: queue.send("delete_queue", QueueUrl=queue.id),
    tags=tagged("QueueUrl", operations=("list_queue_tags", "tag_queue", "untag_queue"), pair=None),
)

TYPES = (QUEUE,)
