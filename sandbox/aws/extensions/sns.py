"""SNS: published messages are recorded, and leave the sandbox nowhere."""

from __future__ import annotations

from sandbox.aws.answer import Answer
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers


@answers("sns", "Publish")
def publish(call: Call, moto: Moto) -> Answer:
    answer = moto()
    wanted = call.parameters
    if answer.status < 300 and "TopicArn" in wanted:
        call.world.messages.deliver(wanted["TopicArn"], wanted.get("Subject"), wanted["Message"])
    return answer
