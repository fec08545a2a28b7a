"""SQS: a queue keeps its policy when another attribute is set, where moto drops it.

Source: SQS API reference, SetQueueAttributes: it sets the attributes that the request names.
"""

from __future__ import annotations

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer
from sandbox.aws.behaviours.queues import queue_of
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers


@answers("sqs", "SetQueueAttributes")
def set_attributes(call: Call, moto: Moto) -> Answer:
    wanted = call.parameters
    queue = queue_of(f"arn:aws:sqs:{call.region}:{ACCOUNT}:{wanted['QueueUrl'].rpartition('/')[2]}")
    policy = queue.policy if queue else None
    answer = moto()
    if queue and "Policy" not in wanted["Attributes"]:
        queue.policy = policy
    return answer
