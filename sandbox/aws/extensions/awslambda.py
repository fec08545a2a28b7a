"""Lambda: functions that really run, their logging configuration, which moto drops, and asynchronous invocations."""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.queues import SEND, queue_of
from sandbox.aws.behaviours.replication_access import may
from sandbox.aws.call import Call, NotEmulatedError
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import role_trusts


def _function(call: Call) -> LambdaFunction | None:
    name = call.parameters["FunctionName"].rpartition(":function:")[2].removesuffix(":$LATEST")
    try:
        found: LambdaFunction = lambda_backends[ACCOUNT][call.region].get_function(name)
    except Exception:  # noqa: BLE001 - moto's own answer has the error
        return None
    return found


@answers("lambda", "CreateFunction")
def create(call: Call, moto: Moto) -> Answer:
    wanted = call.parameters
    if not str(wanted.get("Runtime", "")).startswith("python3") or "ZipFile" not in wanted["Code"]:
        raise NotEmulatedError(call, " of anything but a python3 runtime with a zip file")
    _check_role(wanted["Role"])
    return _kept(call, moto())


@answers("lambda", "UpdateFunctionConfiguration")
def configure(call: Call, moto: Moto) -> Answer:
    if "Role" in call.parameters:
        _check_role(call.parameters["Role"])
    return _kept(call, moto())


def _check_role(arn: str) -> None:
    if not role_trusts(arn, "lambda.amazonaws.com"):
        message = "The role defined for the function cannot be assumed by Lambda."
        raise AwsError("InvalidParameterValueException", message)


def _kept(call: Call, answer: Answer) -> Answer:
    function = _function(call)
    if function and answer.status < 300 and "LoggingConfig" in call.parameters:
        vars(function)["kept_logging"] = call.parameters["LoggingConfig"]
    return _shown(call, answer)


@answers("lambda", "GetFunction", "GetFunctionConfiguration", "UpdateFunctionCode")
def get(call: Call, moto: Moto) -> Answer:
    return _shown(call, moto())


def _shown(call: Call, answer: Answer) -> Answer:
    function = _function(call)
    if function is None or answer.status >= 300:
        return answer
    content: dict[str, Any] = json.loads(answer.body)
    group = f"/aws/lambda/{function.function_name}"
    logging = {"LogFormat": "Text", "LogGroup": group, **vars(function).get("kept_logging", {})}
    content.get("Configuration", content)["LoggingConfig"] = logging
    return Answer.of_json(content, answer.status)


@answers("lambda", "Invoke")
def invoke(call: Call, moto: Moto) -> Answer:
    """Run the function and wait for it, or for its first pause if it is invoked asynchronously (Event)."""
    function = _function(call)
    if function is None:
        return moto()
    kind = call.parameters.get("InvocationType", "RequestResponse")
    if kind == "DryRun":
        return Answer(204)
    event = json.loads(call.body or b"null")
    if kind == "Event":
        call.world.functions.start(call.region, function.function_name, event)
        return Answer(202)
    outcome = call.world.functions.invoke(call.region, function.function_name, event)
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
    if outcome.error:
        headers["X-Amz-Function-Error"] = outcome.error
    return Answer(200, outcome.payload, headers)


@answers("lambda", "PutFunctionEventInvokeConfig")
def put_event_invoke_config(call: Call, moto: Moto) -> Answer:
    """Replace the configuration, to which moto adds one, and check the destination as Lambda does.

    The wording of both refusals is that for which the provider waits (terraform-provider-aws,
    internal/service/lambda/function_event_invoke_config.go).
    """
    function, wanted = _function(call), call.parameters
    arn = wanted.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if function and arn:
        if arn.split(":")[2] != "sqs":
            raise NotEmulatedError(call, f" with the destination {arn}: only queues are emulated")
        if queue_of(arn) is None:
            raise AwsError("InvalidParameterValueException", f"The destination ARN {arn} is invalid.")
        if not may(str(function.role), SEND, arn):
            message = f"The function's execution role does not have permissions to call SendMessage on {arn}"
            raise AwsError("InvalidParameterValueException", message)
    if function:
        function.event_invoke_config.clear()
    return moto()
