"""Alarms in each region, from their cause to the message that is sent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from dr.topology import detection
from dr.topology.tiers import Decision, Tier
from sandbox.emulator_client import ask
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
NAMESPACE = "DisasterRecovery"


@pytest.fixture(scope="module")
def measured(deployment: SandboxUnderTest) -> SandboxUnderTest:
    """Both stacks after 15 minutes of normal operation."""
    deployment.advance(15)
    return deployment


def messages(sandbox: SandboxUnderTest, since: int) -> list[dict[str, Any]]:
    return list(ask(sandbox.server, "GET", f"messages?since={since}")["messages"])


def mark(sandbox: SandboxUnderTest) -> int:
    return int(ask(sandbox.server, "GET", "messages")["next"])


def states(sandbox: SandboxUnderTest, region: str) -> dict[str, str]:
    found = sandbox.client("cloudwatch", region).describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return {each["AlarmName"]: each["StateValue"] for each in (*found["MetricAlarms"], *found["CompositeAlarms"])}


def firing(sandbox: SandboxUnderTest, region: str) -> set[str]:
    return {name.removeprefix("ml-dr-") for name, state in states(sandbox, region).items() if state == "ALARM"}


def test_no_alarm_fires_in_normal_operation_and_every_alarm_notifies_its_regions_topic(
    measured: SandboxUnderTest,
) -> None:
    for region in (EAST, WEST):
        assert firing(measured, region) == set()
        found = measured.client("cloudwatch", region).describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        topic = f"arn:aws:sns:{region}:123456789012:ml-dr-alerts"
        for alarm in (*found["MetricAlarms"], *found["CompositeAlarms"]):
            if alarm["AlarmName"] in ("ml-dr-primary-silent", "ml-dr-sentinel-stale"):
                assert alarm["AlarmActions"] == alarm["OKActions"] == [], "only region-impaired notifies"
                continue
            assert (alarm["AlarmActions"], alarm["OKActions"]) == ([topic], [topic]), alarm["AlarmName"]


def test_prober_and_republisher_publish_their_metrics_and_keep_logs_for_30_days(measured: SandboxUnderTest) -> None:
    metrics = measured.client("cloudwatch", WEST)
    listed = {
        (each["MetricName"], *sorted(one["Value"] for one in each["Dimensions"]))
        for each in metrics.list_metrics(Namespace=NAMESPACE)["Metrics"]
    }

    # An earlier test of this deployment may have had the recovery region serve: its endpoint was measured then.
    assert listed - {("EndpointHealthy", "ml-dr", WEST)} == {
        ("EndpointHealthy", "ml-dr", EAST),
        ("NewestCopyAgeSeconds", "ml-dr"),
        ("NewestCopyAgeSeconds", "databases", "ml-dr"),
        ("SentinelAgeSeconds", "ml-dr"),
        ("Unmeasured", "ml-dr"),
        ("Lever", "engage", "ml-dr"),
        ("Lever", "admit", "ml-dr"),
    }
    log = measured.client("logs", WEST).describe_log_groups(logGroupNamePrefix="/ml-dr-prober")["logGroups"]
    assert [group["retentionInDays"] for group in log] == [30]


def test_sentinel_is_written_in_the_primary_region_and_replicated_to_the_recovery_region(
    measured: SandboxUnderTest,
) -> None:
    both = [
        measured.client("s3", region).get_object(
            Bucket=f"ml-dr-123456789012-{region}-control", Key="control/sentinel.json"
        )["Body"]
        for region in (EAST, WEST)
    ]
    first, second = (json.load(body)["written"] for body in both)

    assert first == second


def test_late_replication_raises_an_alarm_in_the_source_region(measured: SandboxUnderTest) -> None:
    since = mark(measured)
    of = [
        {"Name": "SourceBucket", "Value": f"ml-dr-123456789012-{EAST}-models"},
        {"Name": "DestinationBucket", "Value": f"ml-dr-123456789012-{WEST}-models"},
        {"Name": "RuleId", "Value": f"to-{WEST}"},
    ]
    for _ in range(3):
        late = {"MetricName": "ReplicationLatency", "Dimensions": of, "Value": 1200}
        measured.client("cloudwatch", EAST).put_metric_data(Namespace="AWS/S3", MetricData=[late])
        measured.advance(1)

    (said,) = messages(measured, since)
    assert said["subject"] == 'ALARM: "ml-dr-models-replication-late" in US East (N. Virginia)'
    assert (said["region"], said["endpoint"]) == (EAST, "oncall@example.com")
    measured.advance(5)
    assert firing(measured, EAST) == set()


def test_busy_gpu_nodes_raise_an_alarm_after_two_periods(measured: SandboxUnderTest) -> None:
    since = mark(measured)
    groups = measured.client("autoscaling", EAST).describe_auto_scaling_groups()["AutoScalingGroups"]
    names = [each["AutoScalingGroupName"] for each in groups]
    (name,) = (each for each in names if each.startswith("eks-cluster-gpu-a-"))
    for _ in range(5):
        of = [{"Name": "AutoScalingGroupName", "Value": name}]
        busy = {"MetricName": "CPUUtilization", "Dimensions": of, "Value": 90}
        measured.client("cloudwatch", EAST).put_metric_data(Namespace="AWS/EC2", MetricData=[busy])
        measured.advance(1)

    assert [each["subject"] for each in messages(measured, since)] == [
        'ALARM: "ml-dr-nodes-busy-a" in US East (N. Virginia)'
    ]


def tick(sandbox: SandboxUnderTest) -> None:
    """Advance the clock by ten seconds."""
    ask(sandbox.server, "POST", "clock", {"advance": 10})


def now(sandbox: SandboxUnderTest) -> datetime:
    return datetime.fromisoformat(ask(sandbox.server, "GET", "clock")["now"])


@pytest.mark.parametrize("after", [5, 25, 55], ids=lambda seconds: f"{seconds}-s-into-a-minute")
def test_loss_of_the_primary_region_raises_region_impaired_within_the_detection_budget_of_every_tier(
    measured: SandboxUnderTest, after: int
) -> None:
    ask(measured.server, "POST", "clock", {"advance": 60 - now(measured).second + after})
    since, lost = mark(measured), now(measured)
    measured.lose(EAST)
    try:
        while "region-impaired" not in firing(measured, WEST):
            tick(measured)
            assert now(measured) - lost < timedelta(minutes=10), firing(measured, WEST)
        took = now(measured) - lost
        print(f"lost {after} s into a minute: region-impaired after {took.total_seconds():.0f} s")
        operated = {tier for tier in Tier if tier.spec.decision is Decision.OPERATOR}
        assert took <= detection.by_dns(interval=10, failures=3)
        assert all(took <= tier.spec.detection for tier in operated)
        assert firing(measured, WEST) == {"primary-silent", "sentinel-stale", "region-impaired"}
        assert {each["region"] for each in messages(measured, since)} == {WEST}
        subjects = [each["subject"] for each in messages(measured, since)]
        assert subjects == ['ALARM: "ml-dr-region-impaired" in US West (Oregon)']
        measured.advance(5)
        assert "primary-down" in firing(measured, WEST)
    finally:
        measured.repair()
    measured.advance(5)
    assert firing(measured, WEST) == set()
    assert 'OK: "ml-dr-region-impaired" in US West (Oregon)' in [each["subject"] for each in messages(measured, since)]


def test_replication_that_stopped_for_15_minutes_raises_recovery_at_risk(measured: SandboxUnderTest) -> None:
    measured.fault(kind="operation", operation="s3:PutObject", error="AccessDenied", region=EAST)
    try:
        measured.advance(20)
        assert firing(measured, WEST) == {"sentinel-stale", "sentinel-late", "recovery-at-risk"}
        assert firing(measured, EAST) == {"heartbeat-failing", "dead-letters"}
    finally:
        measured.repair()
    sqs = measured.client("sqs", EAST)
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName="ml-dr-dead-letters")["QueueUrl"])
    measured.advance(5)
    assert firing(measured, WEST) == firing(measured, EAST) == set()


def test_alerting_of_a_cluster_that_stops_is_reported_by_cloudwatch(measured: SandboxUnderTest) -> None:
    of = [{"Name": "TopicName", "Value": "ml-dr-watchdog"}]
    arrived = {"MetricName": "NumberOfMessagesPublished", "Dimensions": of, "Value": 2}
    for _ in range(15):
        measured.client("cloudwatch", EAST).put_metric_data(Namespace="AWS/SNS", MetricData=[arrived])
        measured.advance(1)
    assert states(measured, EAST)["ml-dr-alerting-silent"] == "OK"
    since = mark(measured)
    measured.advance(25)

    assert [each["subject"] for each in messages(measured, since)] == [
        'INSUFFICIENT_DATA: "ml-dr-alerting-silent" in US East (N. Virginia)'
    ]


def test_failing_prober_raises_recovery_at_risk_and_not_region_impaired_and_its_events_are_kept_and_run_again(
    measured: SandboxUnderTest,
) -> None:
    since = mark(measured)
    measured.fault(kind="operation", operation="cloudwatch:PutMetricData", error="AccessDenied", region=WEST)
    try:
        measured.advance(20)
        assert firing(measured, WEST) >= {"prober-failing", "levers-failing", "recovery-at-risk"}
        assert "region-impaired" not in firing(measured, WEST)
    finally:
        measured.repair()
    measured.advance(10)
    assert firing(measured, WEST) == {"dead-letters"}
    assert 'ALARM: "ml-dr-dead-letters" in US West (Oregon)' in [each["subject"] for each in messages(measured, since)]
    # As in docs/how-to/dead-letters.md.
    sqs, functions = measured.client("sqs", WEST), measured.client("lambda", WEST)
    queue = sqs.get_queue_url(QueueName="ml-dr-dead-letters")["QueueUrl"]
    (letter,) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=300)["Messages"]
    record = json.loads(letter["Body"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert "AccessDenied" in record["responsePayload"]["errorMessage"]
    started = functions.invoke(
        FunctionName=record["requestContext"]["functionArn"],
        InvocationType="Event",
        Payload=json.dumps(record["requestPayload"]),
    )
    assert started["StatusCode"] == 202
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])
    sqs.purge_queue(QueueUrl=queue)
    measured.advance(10)
    assert firing(measured, WEST) == set(), "the event that was run again did not return to the queue"


def test_engaged_lever_keeps_its_alarm_firing_and_sends_one_message(measured: SandboxUnderTest) -> None:
    since, s3 = mark(measured), measured.client("s3", WEST)
    bucket, key = f"ml-dr-123456789012-{WEST}-control", "control/state.json"
    day = {"levers": {"engaged": True, "admitted": True}, "activation": None, "incident": None, "lease": None}
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({**day, "version": 1}))
    try:
        measured.advance(5)
        assert firing(measured, WEST) == {"lever-engage"}
        measured.advance(60)
        assert firing(measured, WEST) == {"lever-engage"}
        assert [each["subject"] for each in messages(measured, since)] == [
            'ALARM: "ml-dr-lever-engage" in US West (Oregon)'
        ]
    finally:
        s3.delete_object(Bucket=bucket, Key=key)
    measured.advance(5)
    assert firing(measured, WEST) == set()
