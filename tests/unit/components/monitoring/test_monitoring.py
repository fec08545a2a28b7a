"""Topics, functions, heartbeat and alarms as resources."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.monitoring.alarm_rules import AlarmRule, CompositeRule, replication
from components.monitoring.alert_topic import AlertTopic, AlertTopicArgs
from components.monitoring.dead_letters import DeadLetters, DeadLettersArgs
from components.monitoring.dr_alarms import DrAlarms, DrAlarmsArgs
from components.monitoring.function_code import archive_of, handler_of
from components.monitoring.group_metrics import GroupMetrics, GroupMetricsArgs
from components.monitoring.scheduled_function import ScheduledFunction, ScheduledFunctionArgs
from tests.support.mocks import Cloud, deploy

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/region"
LETTERS = f"arn:aws:sqs:us-west-2:{ACCOUNT}:ml-dr-dead-letters"
CERTIFICATE = f"arn:aws:acm:us-west-2:{ACCOUNT}:certificate/1"
TOPIC = f"arn:aws:sns:us-west-2:{ACCOUNT}:ml-dr-alerts"


def topic(**changes: Any) -> Cloud:
    values = {"name": "ml-dr-alerts", "account": ACCOUNT, "region": "us-west-2", "key_arn": KEY, **changes}
    return deploy(lambda: AlertTopic("alerts", AlertTopicArgs(**values)))


def test_a_topic_is_encrypted_and_accepts_only_alarms_of_the_account() -> None:
    cloud = topic()
    alarms, no_tls = json.loads(cloud.one("TopicPolicy", "alerts-policy")["policy"])["Statement"]

    assert cloud.one("Topic", "alerts")["kmsMasterKeyId"] == KEY
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert (alarms["Resource"], no_tls["Effect"]) == (TOPIC, "Deny")


def test_addresses_are_validated_and_subscribed_by_their_protocol() -> None:
    made = topic(addresses=["oncall@example.com", "https://hooks.example.com/dr"]).of("TopicSubscription")

    assert {each.inputs["protocol"] for each in made.values()} == {"email", "https"}
    with pytest.raises(ValueError, match='"oncall" is not a valid e-mail address'):
        AlertTopicArgs("ml-dr-alerts", ACCOUNT, "us-west-2", KEY, ["oncall"])


def function(name: str = "prober") -> Cloud:
    statements = [{"Sid": "One", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/k"}]
    args = ScheduledFunctionArgs(
        name, f"ml-dr-{name}", ACCOUNT, KEY, LETTERS, "us-west-2", {"WORKLOAD": "ml-dr"}, statements
    )
    return deploy(lambda: ScheduledFunction(name, args))


def test_a_new_function_runs_once_without_work_so_that_its_alarm_finds_a_run() -> None:
    run = function().one("Invocation", "prober-first-run")

    assert (run["functionName"], json.loads(run["input"])) == ("ml-dr-prober", {"firstRun": True})
    assert "lifecycleScope" not in run, "it runs when the function is created, and never again"


def test_a_function_is_invoked_every_minute() -> None:
    schedule = function().one("Schedule", "prober-schedule")

    assert schedule["scheduleExpression"] == "rate(1 minute)"
    assert schedule["target"]["arn"].endswith(":function:ml-dr-prober")


def test_failed_event_of_a_function_is_retried_twice_and_then_sent_to_the_dead_letter_queue() -> None:
    cloud = function()
    events = cloud.one("FunctionEventInvokeConfig", "prober-events")

    assert (events["functionName"], events["maximumRetryAttempts"]) == ("ml-dr-prober", 2)
    assert events["destinationConfig"] == {"onFailure": {"destination": LETTERS}}
    assert cloud.one("Schedule", "prober-schedule")["target"]["deadLetterConfig"] == {"arn": LETTERS}


def test_dead_letter_queue_is_encrypted_keeps_messages_for_14_days_and_admits_only_its_rules() -> None:
    args = DeadLettersArgs("ml-dr-dead-letters", ACCOUNT, "us-west-2", ["ml-dr-backup-jobs"], {"owner": "ml"})
    queue = deploy(lambda: DeadLetters("dead-letters", args)).one("Queue", "dead-letters")
    rules, tls = json.loads(queue["policy"])["Statement"]

    assert (queue["messageRetentionSeconds"], queue["sqsManagedSseEnabled"]) == (14 * 24 * 3600, True)
    assert (queue["region"], queue["tags"]) == ("us-west-2", {"owner": "ml"})
    assert rules["Principal"] == {"Service": "events.amazonaws.com"}
    rule = f"arn:aws:events:us-west-2:{ACCOUNT}:rule/ml-dr-backup-jobs"
    assert rules["Condition"] == {"ArnEquals": {"aws:SourceArn": [rule]}}
    assert (tls["Effect"], tls["Resource"]) == ("Deny", LETTERS)


def test_a_functions_role_has_its_statements_and_may_write_its_log() -> None:
    cloud = function()
    log, one, letters = json.loads(cloud.one("RolePolicy", "prober-policy")["policy"])["Statement"]
    starts = json.loads(cloud.one("RolePolicy", "prober-schedule-policy")["policy"])["Statement"]

    assert log["Resource"] == f"arn:aws:logs:us-west-2:{ACCOUNT}:log-group:/ml-dr-prober:*"
    assert one["Sid"] == "One"
    assert (letters["Action"], letters["Resource"]) == ("sqs:SendMessage", LETTERS)
    assert [each["Action"] for each in starts] == ["lambda:InvokeFunction", "sqs:SendMessage"]
    assert cloud.one("Function", "prober")["loggingConfig"]["logGroup"] == "/ml-dr-prober"


@pytest.mark.parametrize("name", ["heartbeat", "prober", "republisher", "failover_trigger"])
def test_the_archive_of_a_function_contains_every_import(name: str, tmp_path: Path) -> None:
    archive = archive_of(name)
    for file, asset in archive.assets.items():
        assert isinstance(asset, pulumi.StringAsset)
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(asset.text)
    module = handler_of(name).rpartition(".")[0].replace("/", ".")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {module} as m; assert callable(m.handler); "
        "print(sorted(n for n in sys.modules if n in ('pydantic', 'pulumi', 'yaml', 'typer', 'boto3', 'moto')))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n", "nothing heavy is imported before an event comes"


def alarms_args(
    rules: Sequence[AlarmRule], composites: Sequence[CompositeRule], groups: Mapping[str, pulumi.Output[str]]
) -> DrAlarmsArgs:
    return DrAlarmsArgs("ml-dr", "us-west-2", TOPIC, pulumi.Output.from_input(CERTIFICATE), rules, composites, groups)


def test_every_alarm_notifies_its_regions_topic_on_alarm_and_on_ok() -> None:
    rules = replication("models", "one", "other", "to-us-west-2")
    both = CompositeRule("both", "both", all_of=[rule.name for rule in rules])
    groups = {zone: pulumi.Output.from_input(f"eks-gpu-{zone}") for zone in "ab"}
    cloud = deploy(lambda: DrAlarms("alarms", alarms_args(rules, [both], groups)))
    made = [*cloud.of("MetricAlarm").values(), *cloud.of("CompositeAlarm").values()]

    assert len(made) == 9
    assert all(each.inputs["alarmActions"] == each.inputs["okActions"] == [TOPIC] for each in made)
    assert {each.inputs["region"] for each in made} == {"us-west-2"}
    assert cloud.one("MetricAlarm", "alarms-nodes-busy-b")["dimensions"] == {"AutoScalingGroupName": "eks-gpu-b"}
    assert cloud.one("MetricAlarm", "alarms-certificate-expiring")["dimensions"] == {"CertificateArn": CERTIFICATE}


def test_an_alarm_on_a_difference_names_both_metrics_and_notifies_on_missing_data() -> None:
    groups = {zone: pulumi.Output.from_input(f"eks-gpu-{zone}") for zone in "ab"}
    cloud = deploy(lambda: DrAlarms("alarms", alarms_args([], [], groups)))
    short, busy = (cloud.one("MetricAlarm", f"alarms-nodes-{what}-a") for what in ("short", "busy"))
    *both, difference = short["metricQueries"]

    assert [each["metric"]["metricName"] for each in both] == ["GroupDesiredCapacity", "GroupInServiceInstances"]
    assert {each["metric"]["dimensions"]["AutoScalingGroupName"] for each in both} == {"eks-gpu-a"}
    assert (difference["expression"], difference["returnData"]) == ("desired - in_service", True)
    assert "metricName" not in short
    assert short["insufficientDataActions"] == [TOPIC]
    assert "insufficientDataActions" not in busy


def group_metrics(zones: str) -> Cloud:
    known = {zone: pulumi.Output.from_input(f"eks-gpu-{zone}") for zone in zones}
    args = GroupMetricsArgs("ml-dr-group-metrics", ACCOUNT, "us-west-2", "ml-dr", known)
    return deploy(lambda: GroupMetrics("group-metrics", args))


def test_group_metrics_are_enabled_by_a_role_limited_to_its_cluster() -> None:
    cloud = group_metrics("ab")
    assert set(cloud.of("Schedule")) == {"group-metrics-schedule-a", "group-metrics-schedule-b"}
    assert cloud.one("Schedule", "group-metrics-schedule-b")["name"] == "ml-dr-group-metrics-b"
    target = cloud.one("Schedule", "group-metrics-schedule-b")["target"]
    (report,) = json.loads(cloud.one("RolePolicy", "group-metrics-schedule-policy")["policy"])["Statement"]

    assert target["arn"] == "arn:aws:scheduler:::aws-sdk:autoscaling:enableMetricsCollection"
    assert json.loads(target["input"]) == {
        "AutoScalingGroupName": "eks-gpu-b",
        "Granularity": "1Minute",
        "Metrics": ["GroupDesiredCapacity", "GroupInServiceInstances"],
    }
    assert report["Action"] == "autoscaling:EnableMetricsCollection"
    assert report["Condition"] == {"StringEquals": {"aws:ResourceTag/k8s.io/cluster-autoscaler/ml-dr": "owned"}}


def test_group_metrics_without_a_group_create_only_the_role() -> None:
    cloud = group_metrics("")

    assert cloud.of("Schedule") == {}
    assert len(cloud.of("Role")) == len(cloud.of("RolePolicy")) == 1
