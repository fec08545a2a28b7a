"""Group metrics of an Auto Scaling group, the alarm on missing nodes, and its message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from moto.autoscaling.models import FakeAutoScalingGroup, autoscaling_backends

from components.iam import publish_alarms
from components.monitoring.alarm_rules import DESIRED, IN_SERVICE, AlarmRule, missing_nodes
from sandbox.aws.account import ACCOUNT
from sandbox.server import Running

REGION, GROUP = "us-west-2", "eks-gpu"
Control = Callable[..., Any]


def make_alarm(metrics: Any, rule: AlarmRule, expression: str = "desired - in_service", **more: Any) -> None:
    dimensions = [{"Name": name, "Value": value} for name, value in rule.dimensions.items()]
    both = {"desired": rule.metric, "in_service": rule.subtract}
    metrics.put_metric_alarm(
        AlarmName=rule.name,
        Metrics=[
            *(
                {
                    "Id": id,
                    "ReturnData": False,
                    "MetricStat": {
                        "Metric": {"Namespace": rule.namespace, "MetricName": name, "Dimensions": dimensions},
                        "Period": rule.period,
                        "Stat": rule.statistic,
                    },
                }
                for id, name in both.items()
            ),
            {"Id": "difference", "Expression": expression, "ReturnData": True},
        ],
        EvaluationPeriods=rule.periods,
        Threshold=rule.threshold,
        ComparisonOperator=rule.comparison,
        TreatMissingData=rule.missing,
        **more,
    )


@pytest.fixture
def group(aws: Running) -> FakeAutoScalingGroup:
    """A group with two running instances and a desired capacity of two."""
    ec2, scaling = aws.client("ec2", REGION), aws.client("autoscaling", REGION)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    scaling.create_launch_configuration(LaunchConfigurationName="nodes", ImageId=image, InstanceType="g5.2xlarge")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        LaunchConfigurationName="nodes",
        MinSize=0,
        MaxSize=9,
        DesiredCapacity=2,
        AvailabilityZones=[f"{REGION}a"],
    )
    return autoscaling_backends[ACCOUNT][REGION].autoscaling_groups[GROUP]


def enable(aws: Running) -> None:
    aws.client("autoscaling", REGION).enable_metrics_collection(
        AutoScalingGroupName=GROUP, Granularity="1Minute", Metrics=[DESIRED, IN_SERVICE]
    )


class Watch:
    """The alarm on missing nodes, and the clock."""

    def __init__(self, aws: Running, control: Control) -> None:
        self.metrics, self.control = aws.client("cloudwatch", REGION), control

    def after(self, minutes: int) -> str:
        """Advance the clock, and return the alarm's state."""
        self.control("POST", "clock", {"advance": 60 * minutes})
        (alarm,) = self.metrics.describe_alarms()["MetricAlarms"]
        return str(alarm["StateValue"])


@pytest.fixture
def watch(aws: Running, control: Control) -> Watch:
    control("POST", "clock", {"follow": False})
    make_alarm(aws.client("cloudwatch", REGION), missing_nodes("a", GROUP))
    return Watch(aws, control)


def test_alarm_of_a_group_without_metrics_collection_has_insufficient_data(
    group: FakeAutoScalingGroup, watch: Watch
) -> None:
    assert watch.after(10) == "INSUFFICIENT_DATA"


def test_alarm_fires_after_five_minutes_of_missing_instances_and_resolves_with_them(
    aws: Running, group: FakeAutoScalingGroup, watch: Watch
) -> None:
    enable(aws)
    assert watch.after(6) == "OK"
    group.desired_capacity = 4
    assert watch.after(4) == "OK"
    assert watch.after(1) == "ALARM"
    group.desired_capacity = 2
    assert watch.after(1) == "OK"


def test_instances_missing_for_four_minutes_raise_no_alarm(
    aws: Running, group: FakeAutoScalingGroup, watch: Watch
) -> None:
    enable(aws)
    watch.after(6)
    for _ in range(3):
        group.desired_capacity = 4
        assert watch.after(4) == "OK"
        group.desired_capacity = 2
        assert watch.after(1) == "OK"


def test_alarm_of_a_group_that_stops_publishing_has_insufficient_data(
    aws: Running, group: FakeAutoScalingGroup, watch: Watch
) -> None:
    enable(aws)
    watch.after(6)
    group.metrics = []

    assert watch.after(10) == "INSUFFICIENT_DATA"


def test_group_with_untracked_instances_publishes_only_at_desired_capacity_0(
    aws: Running, group: FakeAutoScalingGroup, watch: Watch
) -> None:
    enable(aws)
    group.instance_states.clear()
    assert watch.after(10) == "INSUFFICIENT_DATA"
    group.desired_capacity = 0
    assert watch.after(6) == "OK"


def test_metric_expression_other_than_a_difference_is_not_evaluated(
    aws: Running, group: FakeAutoScalingGroup, watch: Watch
) -> None:
    make_alarm(watch.metrics, missing_nodes("a", GROUP), "desired / in_service")
    enable(aws)

    assert watch.after(10) == "INSUFFICIENT_DATA"


def test_alarm_message_has_the_expression_and_both_metrics(
    aws: Running, group: FakeAutoScalingGroup, control: Control
) -> None:
    control("POST", "clock", {"follow": False})
    sns, metrics = aws.client("sns", REGION), aws.client("cloudwatch", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    policy = publish_alarms(topic, ACCOUNT)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="oncall@example.com")
    make_alarm(metrics, missing_nodes("a", GROUP), AlarmActions=[topic])
    enable(aws)
    group.desired_capacity = 4
    control("POST", "clock", {"advance": 360})

    (message,) = control("GET", "messages?since=0")["messages"]
    trigger = json.loads(message["message"])["Trigger"]
    assert [each.get("Expression") for each in trigger["Metrics"]] == [None, None, "desired - in_service"]
    assert [each["MetricStat"]["Metric"]["MetricName"] for each in trigger["Metrics"][:2]] == [DESIRED, IN_SERVICE]
