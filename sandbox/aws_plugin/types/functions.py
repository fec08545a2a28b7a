"""Lambda functions from the program's archives, their invocations, and EventBridge schedules that start them.

After internal/service/lambda/{function,invocation,function_event_invoke_config}.go and
internal/service/scheduler/schedule.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.archives import same_archive, zipped
from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType
from sandbox.aws_plugin.plugin import SandboxError


def _create_function(function: Resource) -> None:
    arguments = function.arguments("create_function")
    arguments |= {"Code": {"ZipFile": zipped(function.wanted["code"])}, "Tags": function.wanted["tagsAll"]}
    function.send("create_function", **arguments)
    function.id, function.tagged = function.wanted["name"], True
    _set_concurrency(function)


def _set_concurrency(function: Resource) -> None:
    wanted = function.wanted.get("reservedConcurrentExecutions", -1)
    if wanted >= 0:
        function.send("put_function_concurrency", FunctionName=function.id, ReservedConcurrentExecutions=wanted)
    elif function.changed:
        function.send("delete_function_concurrency", FunctionName=function.id)


def _configure(function: Resource) -> None:
    arguments = function.arguments("update_function_configuration")
    # AWS keeps what is left out; an empty value removes it.
    arguments.setdefault("Description", "")
    arguments.setdefault("Environment", {"Variables": {}})
    function.send("update_function_configuration", **arguments)


def _upload(function: Resource) -> None:
    arguments: dict[str, Any] = {"FunctionName": function.id, "ZipFile": zipped(function.wanted["code"])}
    if architectures := function.wanted.get("architectures"):
        arguments["Architectures"] = architectures
    function.send("update_function_code", **arguments)


def _read_function(function: Resource) -> dict[str, Any]:
    found = function.send("get_function", FunctionName=function.id)
    concurrency = found.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1)
    # Lambda has the zip file only; the archive is the program's.
    return {**found["Configuration"], "Reserved": concurrency, "Archive": function["code"]}


FUNCTION = ResourceType(
    token="aws:lambda/function:Function",
    service="lambda",
    shape="CreateFunctionRequest",
    properties="""name=FunctionName! role! runtime handler code=Archive:archive! timeout memorySize description
                  architectures environment{variables} loggingConfig{logFormat! logGroup}
                  reservedConcurrentExecutions=Reserved:integer""",
    outputs="""arn=FunctionArn:string codeSha256=CodeSha256:string lastModified=LastModified:string
               version=Version:string""",
    identity="{FunctionName}",
    auto_name=AutoName("name", 64),
    defaults={"memorySize": 128, "timeout": 3, "reservedConcurrentExecutions": -1},
    computed=frozenset({"architectures", "loggingConfig", "loggingConfig.logGroup"}),
    replace_on=frozenset({"name"}),
    renewed=frozenset({"lastModified", "codeSha256"}),
    equal={"code": same_archive},
    needs={"": ("code",)},
    checks=(
        matches("name", r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, _ and -"),
        between("timeout", 1, 900),
        between("memorySize", 128, 10_240),
    ),
    create=_create_function,
    read=_read_function,
    update=(
        ("role runtime handler timeout memorySize description environment loggingConfig", _configure),
        ("code architectures", _upload),
        ("reservedConcurrentExecutions", _set_concurrency),
    ),
    delete=Call("delete_function"),
    tags=tagged("Resource", "arn", operations=("list_tags", "tag_resource", "untag_resource"), pair=None),
    retries=("cannot be assumed",),
)


def _permit(permission: Resource) -> None:
    wanted = permission.wanted
    optional = {"SourceArn": "sourceArn", "SourceAccount": "sourceAccount"}
    permission.send(
        "add_permission",
        FunctionName=wanted["function"],
        StatementId=wanted["statementId"],
        Action=wanted["action"],
        Principal=wanted["principal"],
        **{name: wanted[each] for name, each in optional.items() if each in wanted},
    )
    permission.id = wanted["statementId"]


def _permitted(permission: Resource) -> dict[str, Any] | None:
    """Return a statement of the function's policy; an import names FUNCTION/STATEMENT."""
    function, _, imported = permission.id.partition("/")
    name = permission["function"] or function
    permission.id = imported or permission.id
    policy = json.loads(permission.send("get_policy", FunctionName=name)["Policy"])
    for each in policy["Statement"]:
        if each["Sid"] == permission.id:
            source = {
                key.lower(): value for tests in each.get("Condition", {}).values() for key, value in tests.items()
            }
            return {
                **{"Action": each["Action"], "FunctionName": name, "StatementId": each["Sid"]},
                **{"Principal": each["Principal"]["Service"], "SourceArn": source.get("aws:sourcearn")},
                "SourceAccount": source.get("aws:sourceaccount"),
            }
    return None


def _forbid(permission: Resource) -> None:
    permission.send("remove_permission", FunctionName=permission["function"], StatementId=permission.id)


PERMISSION = ResourceType(
    token="aws:lambda/permission:Permission",
    service="lambda",
    shape="AddPermissionRequest",
    properties="action! function=FunctionName! principal! statementId sourceArn sourceAccount",
    auto_name=AutoName("statementId", 100),
    replace_on=frozenset({"action", "function", "principal", "statementId", "sourceArn", "sourceAccount"}),
    checks=(
        matches("action", r"(lambda:[*]|lambda:[a-zA-Z]+|[*])", "lambda:NAME, lambda:* or *"),
        matches("statementId", r"[A-Za-z0-9_-]{1,100}", "1 to 100 letters, digits, _ and -"),
        matches("sourceArn", r"arn:aws.*", "an ARN"),
    ),
    create=_permit,
    read=_permitted,
    delete=_forbid,
)


def _invoke(invocation: Resource) -> None:
    name, qualifier, payload = (invocation.wanted[each] for each in ("functionName", "qualifier", "input"))
    answer = invocation.send("invoke", FunctionName=name, Qualifier=qualifier, Payload=payload)
    result = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise SandboxError(f"invoking Lambda Function ({name}): {result}")
    invocation.id = f"{name},{qualifier},{hashlib.md5(payload.encode(), usedforsecurity=False).hexdigest()}"
    invocation.state["result"] = result


def _invoked(invocation: Resource) -> dict[str, Any] | None:
    """Return the state: AWS keeps nothing of an invocation. One that the engine imports has no inputs."""
    if not invocation["functionName"]:
        return None
    names = {"Name": "functionName", "Input": "input", "Qualifier": "qualifier", "Triggers": "triggers"}
    return {**{member: invocation[name] for member, name in names.items()}, "Result": invocation.state["result"]}


def _json(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        json.loads(inputs.get("input", "{}"))
    except ValueError:
        yield "input", f"{inputs['input']!r} is not JSON"


INVOCATION = ResourceType(
    token="aws:lambda/invocation:Invocation",
    service="lambda",
    properties="""functionName=Name:string! input=Input:string! qualifier=Qualifier:string
                  triggers=Triggers:map""",
    outputs="result=Result:string",
    defaults={"qualifier": "$LATEST"},
    replace_on=frozenset({"functionName", "input", "qualifier", "triggers"}),
    checks=(_json,),
    create=_invoke,
    read=_invoked,
    delete=lambda _: None,
)


def _read_event_invoke(config: Resource) -> dict[str, Any]:
    found = config.send("get_function_event_invoke_config", FunctionName=config.id)
    # AWS answers destinations that are not configured, without their ARN.
    set_ = {name: each for name, each in found.get("DestinationConfig", {}).items() if each.get("Destination")}
    return {**found, "FunctionName": config.id, "DestinationConfig": set_ or None}


EVENT_INVOKE = ResourceType(
    token="aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    service="lambda",
    shape="PutFunctionEventInvokeConfigRequest",
    properties="""functionName! maximumEventAgeInSeconds maximumRetryAttempts
                  destinationConfig{onFailure{destination!} onSuccess{destination!}}""",
    identity="{FunctionName}",
    defaults={"maximumRetryAttempts": 2},
    replace_on=frozenset({"functionName"}),
    checks=(between("maximumEventAgeInSeconds", 60, 21_600), between("maximumRetryAttempts", 0, 2)),
    create=Call("put_function_event_invoke_config", retries=("destination ARN", "does not have permissions")),
    read=_read_event_invoke,
    update=(("", Call("put_function_event_invoke_config")),),
    delete=Call("delete_function_event_invoke_config"),
)


def _schedule(operation: str) -> Any:
    def step(schedule: Resource) -> None:
        # The whole schedule: AWS resets what is left out.
        schedule.send(operation, **schedule.arguments(operation))

    return step


def _target_is_arn(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("arn", "roleArn"):
        value = inputs.get("target", {}).get(name, "arn:aws:")
        if not value.startswith("arn:aws"):
            yield f"target.{name}", f"{value!r} is not an ARN"


SCHEDULE = ResourceType(
    token="aws:scheduler/schedule:Schedule",
    service="scheduler",
    shape="CreateScheduleInput",
    properties="""name! groupName scheduleExpression! scheduleExpressionTimezone state description
                  flexibleTimeWindow!{mode! maximumWindowInMinutes}
                  target!{arn! roleArn! input deadLetterConfig{arn!}
                          retryPolicy{maximumEventAgeInSeconds maximumRetryAttempts}}""",
    outputs="arn=Arn:string",
    identity="{GroupName}/{Name}",
    auto_name=AutoName("name", 64),
    defaults={"groupName": "default", "scheduleExpressionTimezone": "UTC", "state": "ENABLED"},
    computed=frozenset(
        {
            *("target.retryPolicy", "target.retryPolicy.maximumEventAgeInSeconds"),
            "target.retryPolicy.maximumRetryAttempts",
        }
    ),
    replace_on=frozenset({"name", "groupName"}),
    checks=(
        matches("name", r"[0-9a-zA-Z_.-]{1,64}", "1 to 64 letters, digits, _ . and -"),
        matches("scheduleExpression", r"(rate|cron|at)\(.+\)", "rate(...), cron(...) or at(...)"),
        _target_is_arn,
    ),
    create=_schedule("create_schedule"),
    read=Call("get_schedule"),
    update=(("", _schedule("update_schedule")),),
    delete=Call("delete_schedule"),
    retries=("assume the role", "role you provide"),
)

TYPES = (FUNCTION, PERMISSION, INVOCATION, EVENT_INVOKE, SCHEDULE)
