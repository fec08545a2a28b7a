"""EventBridge Scheduler: checks of schedules; behaviours/schedules.py starts their targets."""

from __future__ import annotations

from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.schedules import minutes_of
from sandbox.aws.call import Call, NotEmulatedError
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import role_trusts


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
    return moto()
