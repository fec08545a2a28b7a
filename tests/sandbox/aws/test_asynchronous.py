"""Asynchronous invocations of functions, dead-letter queues, and the metrics of queues."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:{RECOVERY}:{ACCOUNT}:failed"
CODE = "def handler(event, context):\n    raise ValueError('no')\n"
WORKS = "def handler(event, context):\n    return 1\n"
Control = Callable[..., Any]


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("main.py", code)
    return buffer.getvalue()


def role(aws: Running, name: str, *actions: str) -> str:
    iam = aws.client("iam", PRIMARY)
    trusted = {"Effect": "Allow", "Principal": {"Service": f"{name}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if actions:
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": QUEUE}
        text = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_role_policy(RoleName=name, PolicyName="send", PolicyDocument=text)
    return str(arn)


@pytest.fixture
def queue(aws: Running) -> str:
    """Return the URL of a queue."""
    return str(aws.client("sqs", RECOVERY).create_queue(QueueName="failed")["QueueUrl"])


@pytest.fixture
def function(aws: Running, queue: str) -> Any:
    """Return a client of Lambda; a function fails, and its failed events go to the queue."""
    functions = aws.client("lambda", RECOVERY)
    functions.create_function(
        FunctionName="failing",
        Role=role(aws, "lambda", "sqs:SendMessage"),
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": zipped(CODE)},
    )
    destination = {"OnFailure": {"Destination": QUEUE}}
    functions.put_function_event_invoke_config(FunctionName="failing", DestinationConfig=destination)
    return functions


def start(function: Any, **event: Any) -> None:
    function.invoke(FunctionName="failing", InvocationType="Event", Payload=json.dumps(event))


def letters(aws: Running, queue: str) -> list[Any]:
    found = aws.client("sqs", RECOVERY).receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(each["Body"]) for each in found.get("Messages", [])]


def attempts(aws: Running) -> int:
    from moto.cloudwatch.models import cloudwatch_backends

    data = cloudwatch_backends[ACCOUNT][RECOVERY].metric_data
    return sum(each.name == "Invocations" for each in data)


def test_failed_event_is_retried_after_one_and_after_two_minutes_and_then_kept(
    aws: Running, function: Any, queue: str, control: Control
) -> None:
    start(function, order=1)
    assert attempts(aws) == 1
    for seconds, expected in ((50, 1), (20, 2), (100, 2), (30, 3)):
        control("POST", "clock", {"advance": seconds})
        assert attempts(aws) == expected
    control("POST", "clock", {"advance": 600})

    (record,) = letters(aws, queue)
    assert (attempts(aws), record["requestPayload"]) == (3, {"order": 1})
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"].endswith(":function:failing:$LATEST")
    assert record["responsePayload"]["errorMessage"] == "no"


def test_event_that_succeeds_at_a_retry_is_not_kept(aws: Running, function: Any, queue: str, control: Control) -> None:
    start(function)
    function.update_function_code(FunctionName="failing", ZipFile=zipped(WORKS))
    control("POST", "clock", {"advance": 300})

    assert (attempts(aws), letters(aws, queue)) == (2, [])


def test_event_older_than_its_highest_age_is_kept_without_another_attempt(
    aws: Running, function: Any, queue: str, control: Control
) -> None:
    function.put_function_event_invoke_config(
        FunctionName="failing",
        MaximumEventAgeInSeconds=120,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
    )
    start(function)
    control("POST", "clock", {"advance": 300})

    assert [each["requestContext"]["condition"] for each in letters(aws, queue)] == ["EventAgeExceeded"]
    assert attempts(aws) == 2


def test_synchronous_invocation_that_fails_is_not_retried(
    aws: Running, function: Any, queue: str, control: Control
) -> None:
    function.invoke(FunctionName="failing", Payload="{}")
    control("POST", "clock", {"advance": 300})

    assert (attempts(aws), letters(aws, queue)) == (1, [])


def test_destination_must_exist_and_the_role_must_be_allowed_to_send(aws: Running, function: Any) -> None:
    def put(arn: str) -> None:
        destination = {"OnFailure": {"Destination": arn}}
        function.put_function_event_invoke_config(FunctionName="failing", DestinationConfig=destination)

    with pytest.raises(ClientError, match="is invalid"):
        put(f"{QUEUE}-2")
    aws.client("iam", PRIMARY).delete_role_policy(RoleName="lambda", PolicyName="send")
    with pytest.raises(ClientError, match="does not have permissions to call SendMessage"):
        put(QUEUE)
    found = function.get_function_event_invoke_config(FunctionName="failing")
    assert found["DestinationConfig"]["OnFailure"]["Destination"] == QUEUE


@pytest.mark.parametrize(("actions", "kept"), [(["sqs:SendMessage"], [{"order": 1}]), ([], [])])
def test_schedule_that_cannot_reach_its_target_sends_its_input_to_its_dead_letter_queue(
    aws: Running, queue: str, control: Control, actions: list[str], kept: list[Any]
) -> None:
    target = {
        "Arn": f"arn:aws:lambda:{RECOVERY}:{ACCOUNT}:function:missing",
        "RoleArn": role(aws, "scheduler", *actions),
        "Input": '{"order": 1}',
        "DeadLetterConfig": {"Arn": QUEUE},
    }
    aws.client("scheduler", RECOVERY).create_schedule(
        Name="minute", ScheduleExpression="rate(1 minute)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    control("POST", "clock", {"advance": 60})

    assert letters(aws, queue)[:1] == kept


@pytest.mark.parametrize("admitted", [True, False])
def test_rule_that_cannot_reach_its_target_sends_the_event_to_its_dead_letter_queue(
    aws: Running, queue: str, admitted: bool
) -> None:
    from datetime import UTC, datetime

    from sandbox.aws.behaviours.events import emit

    rules, sqs = aws.client("events", RECOVERY), aws.client("sqs", RECOVERY)
    rule = rules.put_rule(Name="jobs", EventPattern='{"source": ["aws.backup"]}')["RuleArn"]
    missing = f"arn:aws:sns:{RECOVERY}:{ACCOUNT}:missing"
    rules.put_targets(Rule="jobs", Targets=[{"Id": "1", "Arn": missing, "DeadLetterConfig": {"Arn": QUEUE}}])
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule if admitted else f"{rule}-2"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    emit(aws.emulator.world, RECOVERY, "aws.backup", "Copy Job State Change", {"state": "FAILED"}, datetime.now(UTC))

    assert [each["detail"] for each in letters(aws, queue)] == ([{"state": "FAILED"}] if admitted else [])


def test_queue_publishes_its_number_of_visible_messages_every_minute(
    aws: Running, queue: str, control: Control
) -> None:
    metrics = aws.client("cloudwatch", RECOVERY)
    metrics.put_metric_alarm(
        AlarmName="kept",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "failed"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )

    def state() -> str:
        return str(metrics.describe_alarms(AlarmNames=["kept"])["MetricAlarms"][0]["StateValue"])

    control("POST", "clock", {"advance": 120})
    assert state() == "OK"
    aws.client("sqs", RECOVERY).send_message(QueueUrl=queue, MessageBody="{}")
    control("POST", "clock", {"advance": 120})
    assert state() == "ALARM"
    aws.client("sqs", RECOVERY).purge_queue(QueueUrl=queue)
    control("POST", "clock", {"advance": 180})
    assert state() == "OK"


def test_queue_keeps_its_policy_when_another_attribute_is_set(aws: Running, queue: str) -> None:
    sqs = aws.client("sqs", RECOVERY)
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": QUEUE}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MessageRetentionPeriod": "600"})
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]

    assert (found["Policy"], found["MessageRetentionPeriod"]) == (policy, "600")
