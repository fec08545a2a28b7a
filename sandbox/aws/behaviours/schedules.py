"""EventBridge schedules: start functions and calls of AWS APIs by the sandbox's clock.

Rate expressions only. A call that fails is logged and not retried, and its input goes to the schedule's dead-letter
queue. Context attributes in the input are replaced as in the EventBridge Scheduler user guide.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import uuid
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.exceptions import UnknownFunctionException
from moto.scheduler.models import Schedule, scheduler_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours import queues
from sandbox.aws.world import World

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
MINUTES = {"minute": 1, "hour": 60, "day": 1440}
UNIVERSAL = re.compile(r"arn:aws:scheduler:::aws-sdk:(?P<service>[a-z0-9-]+):(?P<operation>\w+)")


def minutes_of(expression: str) -> int | None:
    """Minutes of a rate expression; None for any other expression."""
    found = RATE.fullmatch(expression)
    return int(found[1]) * MINUTES[found[2]] if found else None


def run(world: World, minute: datetime.datetime) -> None:
    """Start the targets that are due in a minute."""
    number = int(minute.timestamp()) // 60
    for region, backend in list(scheduler_backends[ACCOUNT].items()):
        if world.faults.unreachable(region):
            continue
        for group in list(backend.schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                every = minutes_of(schedule.schedule_expression)
                if schedule.state == "ENABLED" and every and number % every == 0:
                    _start(world, region, schedule, minute)


def _start(world: World, region: str, schedule: Schedule, minute: datetime.datetime) -> None:
    target: dict[str, Any] = schedule.target
    attributes = {
        "scheduled-time": minute.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "schedule-arn": schedule.arn,
        "execution-id": uuid.uuid4().hex,
        "attempt-number": "1",
    }
    text = target.get("Input") or "{}"
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    try:
        if api := UNIVERSAL.fullmatch(target["Arn"]):
            client = world.client(api["service"], region)
            getattr(client, xform_name(api["operation"]))(**json.loads(text))
        else:
            world.functions.start(region, target["Arn"].rpartition(":function:")[2], json.loads(text))
    except (ClientError, BotoCoreError, UnknownFunctionException, AttributeError, TypeError, ValueError) as error:
        sys.stderr.write(f"schedule {schedule.name} in {region}: {type(error).__name__}: {error}\n")
        if letters := target.get("DeadLetterConfig", {}).get("Arn"):
            queues.send_as_role(target["RoleArn"], letters, json.loads(text))
