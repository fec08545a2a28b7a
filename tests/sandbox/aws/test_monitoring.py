"""Clock, alarms, composite alarms, messages, functions and schedules."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.behaviours import schedules
from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY
from tests.support.waiting import wait_for

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:{RECOVERY}:{ACCOUNT}:alerts"
Control = Callable[..., Any]


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def statement(**changes: Any) -> str:
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": TOPIC,
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        **changes,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


@pytest.fixture
def topic(aws: Running) -> str:
    """A topic with one subscriber and a policy that allows CloudWatch to publish."""
    sns = aws.client("sns", RECOVERY)
    arn = str(sns.create_topic(Name="alerts")["TopicArn"])
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=statement())
    sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="oncall@example.com")
    return arn


def alarm(aws: Running, name: str, **changes: Any) -> Any:
    metrics = aws.client("cloudwatch", RECOVERY)
    wanted = {
        "AlarmName": name,
        "Namespace": "dr",
        "MetricName": name,
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC],
    }
    metrics.put_metric_alarm(**{**wanted, **changes})
    return metrics


def put(metrics: Any, name: str, value: float) -> None:
    metrics.put_metric_data(Namespace="dr", MetricData=[{"MetricName": name, "Value": value}])


def state(metrics: Any, name: str) -> str:
    found = metrics.describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return str((found["MetricAlarms"] + found["CompositeAlarms"])[0]["StateValue"])


def messages(control: Control) -> list[dict[str, Any]]:
    return list(control("GET", "messages")["messages"])


# The clock and alarms --------------------------------------------------------------------------------------------


def test_clock_at_a_higher_speed_runs_every_minute_once(
    aws: Running, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = list[datetime]()
    monkeypatch.setattr(schedules, "run", lambda world, minute: ran.append(minute))
    ticks = aws.emulator.minutes
    ticks.start()
    try:
        control("POST", "clock", {"speed": 60})
        wait_for(lambda: len(ran) > 3)
        control("POST", "clock", {"speed": 1})
    finally:
        ticks.stop()

    assert {after - before for before, after in pairwise(ran)} == {timedelta(minutes=1)}
    assert control("GET", "clock")["ahead"] > 120
    assert "a speed from 1 to 60; got 61" in control("POST", "clock", {"speed": 61})["error"]


def test_clock_advances_minute_by_minute_and_never_goes_back(control: Control) -> None:
    before = control("GET", "clock")["now"]
    moved = control("POST", "clock", {"advance": 3600})

    # A minute of the day may end while the call runs.
    assert moved["minutes"] in (60, 61)
    assert moved["now"] > before
    assert "the clock can be advanced by 0 to 86400 s" in control("POST", "clock", {"advance": -1})["error"]
    assert "0 to 86400 s at once" in control("POST", "clock", {"advance": 1e9})["error"]


@pytest.mark.usefixtures("topic")
def test_an_alarm_sends_one_message_per_change_of_state(aws: Running, control: Control) -> None:
    metrics = alarm(aws, "late")
    control("POST", "clock", {"advance": 60})
    put(metrics, "late", 5)
    control("POST", "clock", {"advance": 60})
    assert state(metrics, "late") == "ALARM"
    control("POST", "clock", {"advance": 300})
    assert state(metrics, "late") == "OK"

    ok, fired, over = messages(control)
    assert fired["subject"] == 'ALARM: "late" in US West (Oregon)'
    assert (fired["region"], fired["topic"], fired["endpoint"]) == (RECOVERY, "alerts", "oncall@example.com")
    said = json.loads(fired["message"])
    assert (said["OldStateValue"], said["NewStateValue"]) == ("OK", "ALARM")
    assert (said["Trigger"]["MetricName"], said["Trigger"]["Threshold"]) == ("late", 1.0)
    assert [json.loads(each["message"])["NewStateValue"] for each in (ok, over)] == ["OK", "OK"]
    history = metrics.describe_alarm_history(AlarmName="late")["AlarmHistoryItems"]
    kinds = [item["HistoryItemType"] for item in history]
    assert kinds.count("StateUpdate") == kinds.count("Action") == 3
    assert history[0]["HistorySummary"] == f"Successfully executed action {TOPIC}"


@pytest.mark.usefixtures("topic")
def test_missing_data_is_breaching_where_configured(aws: Running, control: Control) -> None:
    metrics = alarm(aws, "silent", TreatMissingData="breaching", EvaluationPeriods=3)
    control("POST", "clock", {"advance": 180})

    assert state(metrics, "silent") == "ALARM"


def test_topic_with_a_policy_that_excludes_cloudwatch_receives_no_message(
    aws: Running, topic: str, control: Control
) -> None:
    sns = aws.client("sns", RECOVERY)
    other = statement(Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=other)
    metrics = alarm(aws, "late")
    control("POST", "clock", {"advance": 60})

    assert messages(control) == []
    (action,) = metrics.describe_alarm_history(AlarmName="late", HistoryItemType="Action")["AlarmHistoryItems"]
    assert action["HistorySummary"].startswith(f"Failed to execute action {topic}: the policy of {topic} does not let")


@pytest.mark.parametrize(("allowed", "arrived"), [(True, 1), (False, 0)])
def test_an_encrypted_topic_needs_a_key_policy_for_cloudwatch(
    aws: Running, topic: str, control: Control, allowed: bool, arrived: int
) -> None:
    kms = aws.client("kms", RECOVERY)
    policy = statement(Action=["kms:Decrypt", "kms:GenerateDataKey*"], Resource="*") if allowed else None
    key = kms.create_key(**({"Policy": policy} if policy else {}))["KeyMetadata"]["Arn"]
    sns = aws.client("sns", RECOVERY)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="KmsMasterKeyId", AttributeValue=key)
    alarm(aws, "late")
    control("POST", "clock", {"advance": 60})

    assert len(messages(control)) == arrived


def test_alarms_of_an_unreachable_region_are_not_evaluated(aws: Running, topic: str, control: Control) -> None:
    metrics = alarm(aws, "silent", TreatMissingData="breaching")
    control("POST", "faults", {"kind": "region", "region": RECOVERY, "unreachable": True})
    control("POST", "clock", {"advance": 300})
    assert messages(control) == []
    control("DELETE", "faults")
    control("POST", "clock", {"advance": 60})
    assert state(metrics, "silent") == "ALARM"
    assert len(messages(control)) == 1


@pytest.mark.usefixtures("topic")
def test_a_state_that_is_set_runs_actions_and_disabled_actions_do_not_run(aws: Running, control: Control) -> None:
    metrics = alarm(aws, "late")
    alarm(aws, "quiet", ActionsEnabled=False)
    for name in ("late", "quiet"):
        metrics.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="drill")

    assert [json.loads(each["message"])["AlarmName"] for each in messages(control)] == ["late"]


# Composite alarms ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("topic")
def test_a_composite_alarm_follows_its_rule(aws: Running, control: Control) -> None:
    metrics = alarm(aws, "one", AlarmActions=[], OKActions=[])
    alarm(aws, "other", AlarmActions=[], OKActions=[])
    rule = f'ALARM("one") AND NOT (OK(other) OR ALARM(arn:aws:cloudwatch:{RECOVERY}:{ACCOUNT}:alarm:missing-not))'
    assert "missing-not" in refusal(lambda: metrics.put_composite_alarm(AlarmName="both", AlarmRule=rule))[1]
    rule = f'ALARM("one") AND ALARM(arn:aws:cloudwatch:{RECOVERY}:{ACCOUNT}:alarm:other)'
    metrics.put_composite_alarm(AlarmName="both", AlarmRule=rule, AlarmActions=[TOPIC])
    put(metrics, "one", 1)
    control("POST", "clock", {"advance": 60})
    assert state(metrics, "both") == "OK"
    put(metrics, "one", 1)
    put(metrics, "other", 1)
    control("POST", "clock", {"advance": 60})
    assert state(metrics, "both") == "ALARM"
    (fired,) = messages(control)
    assert json.loads(fired["message"])["AlarmRule"] == rule


@pytest.mark.parametrize("rule", ["ALARM(", "ALARM(one", "one", "ALARM(one) XOR ALARM(one)", "(ALARM(one)", ""])
def test_an_invalid_rule_of_a_composite_alarm_is_refused(aws: Running, rule: str) -> None:
    metrics = alarm(aws, "one")
    code, _ = refusal(lambda: metrics.put_composite_alarm(AlarmName="x", AlarmRule=rule or " "))

    assert code == "ValidationError"


@pytest.mark.parametrize(
    ("rule", "fires"),
    [
        ("TRUE", True),
        ("FALSE OR ALARM(one)", False),
        ("NOT ALARM(one)", True),
        ("OK(one) AND (TRUE OR FALSE)", True),
        ("INSUFFICIENT_DATA(one)", False),
    ],
)
def test_rules_of_composite_alarms_are_evaluated(aws: Running, control: Control, rule: str, fires: bool) -> None:
    metrics = alarm(aws, "one")
    metrics.put_composite_alarm(AlarmName="rule", AlarmRule=rule)
    control("POST", "clock", {"advance": 60})

    assert state(metrics, "rule") == ("ALARM" if fires else "OK")


# Functions and schedules -----------------------------------------------------------------------------------------

CODE = """
import json, os, time, urllib.request
calls = 0

def handler(event, context):
    global calls
    calls += 1
    print("called", calls)
    if event.get("fail"):
        raise ValueError("no")
    if "url" in event:
        return urllib.request.urlopen(event["url"], timeout=5).read().decode()
    began = time.time()
    time.sleep(event.get("sleep", 0))
    slept = time.time() - began
    kept = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "MINE"))}
    left = context.get_remaining_time_in_millis()
    return {"event": event, "calls": calls, "environment": kept, "slept": slept, "left": left}
"""


def zipped(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("main.py", code)
    return buffer.getvalue()


def role(aws: Running, service: str) -> str:
    allowed = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    name = service.partition(".")[0]
    made = aws.client("iam", PRIMARY).create_role(RoleName=name, AssumeRolePolicyDocument=policy)
    return str(made["Role"]["Arn"])


@pytest.fixture
def function(aws: Running) -> Any:
    functions = aws.client("lambda", RECOVERY)
    functions.create_function(
        FunctionName="prober",
        Role=role(aws, "lambda.amazonaws.com"),
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": zipped(CODE)},
        Timeout=2,
        Environment={"Variables": {"MINE": "yes"}},
        LoggingConfig={"LogFormat": "Text", "LogGroup": "/ml-dr/prober"},
    )
    return functions


def invoke(functions: Any, **event: Any) -> tuple[str, Any]:
    answer = functions.invoke(FunctionName="prober", Payload=json.dumps(event))
    return answer.get("FunctionError", ""), json.loads(answer["Payload"].read())


def test_a_function_gets_its_event_and_the_environment_of_its_region(function: Any) -> None:
    error, answer = invoke(function, number=1)

    assert error == ""
    assert answer["event"] == {"number": 1}
    environment = answer["environment"]
    assert (environment["AWS_REGION"], environment["MINE"]) == (RECOVERY, "yes")
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "prober"
    assert 0 < answer["left"] <= 2000


def test_a_process_is_kept_warm_until_its_code_changes(function: Any) -> None:
    assert [invoke(function)[1]["calls"] for _ in range(3)] == [1, 2, 3]
    function.update_function_code(FunctionName="prober", ZipFile=zipped(CODE.replace("calls = 0", "calls = 10")))
    assert invoke(function)[1]["calls"] == 11


def test_failures_of_functions_are_reported_as_by_lambda(function: Any) -> None:
    error, answer = invoke(function, fail=True)
    assert (error, answer["errorType"], answer["errorMessage"]) == ("Unhandled", "ValueError", "no")
    error, answer = invoke(function, sleep=5)
    assert error == "Unhandled"
    assert "Task timed out after 2.00 seconds" in answer["errorMessage"]
    assert invoke(function)[0] == "", "the next one has a process of its own"
    function.update_function_code(FunctionName="prober", ZipFile=zipped("import nothing_of_that_name"))
    assert invoke(function)[1]["errorType"] == "ModuleNotFoundError"


def test_invocations_and_errors_are_counted_and_logged(aws: Running, function: Any) -> None:
    logs = aws.client("logs", RECOVERY)
    logs.create_log_group(logGroupName="/ml-dr/prober")
    invoke(function)
    invoke(function, fail=True)
    (stream,) = logs.describe_log_streams(logGroupName="/ml-dr/prober")["logStreams"]
    events = logs.get_log_events(logGroupName="/ml-dr/prober", logStreamName=stream["logStreamName"])["events"]
    assert [each["message"] for each in events] == ["called 1", "called 2"]
    metrics = aws.client("cloudwatch", RECOVERY)
    listed = metrics.list_metrics(Namespace="AWS/Lambda")["Metrics"]
    assert {each["MetricName"] for each in listed} == {"Invocations", "Errors"}


def schedule(aws: Running, target: str, text: str, **changes: Any) -> Any:
    scheduler = aws.client("scheduler", RECOVERY)
    wanted = {
        "Name": "minute",
        "ScheduleExpression": "rate(1 minute)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": target, "RoleArn": role(aws, "scheduler.amazonaws.com"), "Input": text},
    }
    scheduler.create_schedule(**{**wanted, **changes})
    return scheduler


def test_a_schedule_starts_a_function_every_minute_with_its_time(aws: Running, function: Any, control: Control) -> None:
    arn = function.get_function(FunctionName="prober")["Configuration"]["FunctionArn"]
    schedule(aws, arn, '{"time": "<aws.scheduler.scheduled-time>"}')
    control("POST", "clock", {"advance": 180})

    assert invoke(function)[1]["calls"] == 4


def test_a_scheduled_function_that_sleeps_goes_on_when_the_clock_has_advanced(
    aws: Running, function: Any, control: Control
) -> None:
    arn = function.get_function(FunctionName="prober")["Configuration"]["FunctionArn"]
    function.update_function_configuration(FunctionName="prober", Timeout=60)
    schedule(aws, arn, '{"sleep": 20}')
    second = datetime.fromisoformat(control("GET", "clock")["now"]).second
    control("POST", "clock", {"advance": 60 - second})
    logs = aws.client("logs", RECOVERY)
    logs.create_log_group(logGroupName="/ml-dr/prober")
    control("POST", "clock", {"advance": 10})
    assert logs.describe_log_streams(logGroupName="/ml-dr/prober")["logStreams"] == [], "the invocation has not ended"
    control("POST", "clock", {"advance": 20})

    assert len(logs.describe_log_streams(logGroupName="/ml-dr/prober")["logStreams"]) == 1
    _, answer = invoke(function, sleep=20)
    assert round(answer["slept"]) == 20


def test_a_schedule_calls_an_aws_api(aws: Running, control: Control) -> None:
    metrics = alarm(aws, "any")
    put_data = {"Namespace": "dr", "MetricData": [{"MetricName": "<aws.scheduler.scheduled-time>", "Value": 1}]}
    schedule(aws, "arn:aws:scheduler:::aws-sdk:cloudwatch:putMetricData", json.dumps(put_data))
    control("POST", "clock", {"advance": 120})
    names = sorted(each["MetricName"] for each in metrics.list_metrics(Namespace="dr")["Metrics"])

    assert len(names) == 2
    assert all(name.endswith(":00Z") for name in names)


def test_a_schedule_with_a_binary_parameter_or_an_operation_that_only_reads_is_refused(aws: Running) -> None:
    put_object = {"Bucket": "control", "Key": "sentinel", "Body": "{}"}
    target = "arn:aws:scheduler:::aws-sdk:s3:putObject"
    assert "binary parameter Body" in refusal(lambda: schedule(aws, target, json.dumps(put_object)))[1]
    aws.client("iam", PRIMARY).delete_role(RoleName="scheduler")
    code, _ = refusal(lambda: schedule(aws, "arn:aws:scheduler:::aws-sdk:s3:getObject", "{}"))
    assert code == "ValidationException"


def test_an_invalid_schedule_is_refused(aws: Running, function: Any) -> None:
    arn = function.get_function(FunctionName="prober")["Configuration"]["FunctionArn"]
    assert "rate(...)" in refusal(lambda: schedule(aws, arn, "{}", ScheduleExpression="cron(0 2 * * ? *)"))[1]
    stranger = {"Arn": arn, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/lambda", "Input": "{}"}
    scheduler = aws.client("scheduler", RECOVERY)
    code, _ = refusal(
        lambda: scheduler.create_schedule(
            Name="x", ScheduleExpression="rate(1 minute)", FlexibleTimeWindow={"Mode": "OFF"}, Target=stranger
        )
    )
    assert code == "ValidationException"


def test_a_function_reaches_an_endpoint_over_tls_by_its_name(aws: Running, function: Any, control: Control) -> None:
    route53 = aws.client("route53", PRIMARY)
    zone = route53.create_hosted_zone(Name="ml.example.com", CallerReference="one")["HostedZone"]["Id"]
    record = {
        "Name": "inference-primary.ml.example.com",
        "Type": "CNAME",
        "TTL": 60,
        "ResourceRecords": [{"Value": f"ml-dr-1.elb.{PRIMARY}.amazonaws.com"}],
    }
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
    url = "https://inference-primary.ml.example.com/v2/health/ready"

    assert invoke(function, url=url) == ("", "ready\n")
    control("POST", "faults", {"kind": "region", "region": PRIMARY, "unreachable": True})
    assert invoke(function, url=url)[0] == "Unhandled"
    control("DELETE", "faults")
    assert "403" in invoke(function, url="https://elsewhere.example.com/v2/health/ready")[1]["errorMessage"]


def test_metric_data_are_statistics_of_periods_of_the_metric_with_these_dimensions(aws: Running) -> None:
    metrics, start = aws.client("cloudwatch", RECOVERY), datetime(2026, 11, 28, 12, 0, tzinfo=UTC)

    def put(name: str, seconds: int, value: float, **dimensions: str) -> None:
        of = [{"Name": key, "Value": each} for key, each in dimensions.items()]
        at = start + timedelta(seconds=seconds)
        datum = {"MetricName": name, "Dimensions": of, "Value": value, "Timestamp": at, "StorageResolution": 1}
        metrics.put_metric_data(Namespace="dr", MetricData=[datum])

    for seconds, value in ((0, 1.0), (15, 3.0), (20, 2.0), (60, 9.0)):
        put("age", seconds, value, Region=PRIMARY)
    put("age", 0, 7.0)
    metric = {"Namespace": "dr", "MetricName": "age", "Dimensions": [{"Name": "Region", "Value": PRIMARY}]}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 20, "Stat": "Maximum"}}
    (found,) = metrics.get_metric_data(
        MetricDataQueries=[query], StartTime=start, EndTime=start + timedelta(minutes=1), ScanBy="TimestampAscending"
    )["MetricDataResults"]

    assert found["Timestamps"] == [start, start + timedelta(seconds=20)]
    assert found["Values"] == [3.0, 2.0]


def test_metric_data_are_found_whenever_they_arrive_and_gone_after_a_reset(aws: Running, control: Control) -> None:
    metrics, start = aws.client("cloudwatch", RECOVERY), datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    of = [{"Name": "Region", "Value": PRIMARY}, {"Name": "Class", "Value": "volumes"}]
    metric = {"Namespace": "dr", "MetricName": "age", "Dimensions": of}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
    values = dict[datetime, float]()

    def read() -> dict[datetime, float]:
        (found,) = metrics.get_metric_data(
            MetricDataQueries=[query], StartTime=start, EndTime=start + timedelta(minutes=5)
        )["MetricDataResults"]
        return dict(zip(found["Timestamps"], found["Values"], strict=True))

    for minute in (4, 0, 5, 2, -1):
        at = start + timedelta(minutes=minute)
        datum = {"MetricName": "age", "Dimensions": of[::-1], "Value": float(minute), "Timestamp": at}
        metrics.put_metric_data(Namespace="dr", MetricData=[datum])
        if start <= at < start + timedelta(minutes=5):
            values[at] = float(minute)
        assert read() == values
    control("POST", "reset")

    assert read() == {}


def test_answer_about_alarms_is_dated_by_the_sandboxs_clock(aws: Running, control: Control) -> None:
    control("POST", "clock", {"advance": 3600})
    headers = aws.client("cloudwatch", RECOVERY).describe_alarms()["ResponseMetadata"]["HTTPHeaders"]
    now = datetime.fromisoformat(control("GET", "clock")["now"])

    assert timedelta(0) <= now - parsedate_to_datetime(headers["date"]) < timedelta(minutes=30)
