"""EventBridge Scheduler: checks of schedules; behaviours/schedules.py starts their targets.

Source: "Using universal targets in EventBridge Scheduler" of the Scheduler user guide.
"""

from __future__ import annotations

import json

from moto.core.utils import get_service_model

from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.schedules import UNIVERSAL, minutes_of
from sandbox.aws.call import Call, NotEmulatedError
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import role_trusts

READ_ONLY = (
    *("get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup"),
    *("discover", "validate", "batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList"),
    *("testMigration", "retrieve", "testConnection", "translateDocument", "isAuthorized", "invokeModel"),
)
"""Prefixes of operations that a schedule cannot call."""


@answers("scheduler", "CreateSchedule", "UpdateSchedule")
def put(call: Call, moto: Moto) -> Answer:
    wanted = call.parameters
    if minutes_of(wanted["ScheduleExpression"]) is None:
        raise NotEmulatedError(
            call, f" with {wanted['ScheduleExpression']}: the sandbox starts rate(...) schedules only"
        )
    if not role_trusts(wanted["Target"]["RoleArn"], "scheduler.amazonaws.com"):
        message = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        raise AwsError("ValidationException", message)
    if api := UNIVERSAL.fullmatch(wanted["Target"]["Arn"]):
        _refuse_input(call, api["service"], api["operation"], wanted["Target"].get("Input") or "{}")
    return moto()


def _refuse_input(call: Call, service: str, operation: str, text: str) -> None:
    """Refuse operations that only read, and binary parameters: AWS does not document their form in a schedule."""
    if operation.startswith(READ_ONLY):
        raise AwsError(
            "ValidationException", f"Provided Arn is not in correct format: {service}:{operation} only reads"
        )
    named = operation[0].upper() + operation[1:]
    members = get_service_model(service).operation_model(named).input_shape.members
    if binary := [name for name in json.loads(text) if name in members and members[name].type_name == "blob"]:
        raise NotEmulatedError(call, f" with the binary parameter {binary[0]} of {service}:{operation}")
