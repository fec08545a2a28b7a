from typing import Any

import pytest

from components.traffic.route53_failover import Route53Failover, Route53FailoverArgs
from dr.topology.topology import Dns, DnsFailover, Role
from tests.support.mocks import Cloud, deploy

TOPIC = "arn:aws:sns:us-west-2:123456789012:ml-dr-alerts"


def args(role: Role = Role.PRIMARY, **changes: Any) -> Route53FailoverArgs:
    values = {
        "role": role,
        "dns": Dns("ml.example.com"),
        "endpoint": "serving.us-east-1.example.com",
        "weight": 100,
        "lever_region": "us-west-2",
        "lever_prefix": "ml-dr",
        "zone_id": "Z0EXISTING",
        "alert_topic_arn": TOPIC,
        **changes,
    }
    return Route53FailoverArgs(**values)


def failover(role: Role = Role.PRIMARY, **changes: Any) -> Cloud:
    return deploy(lambda: Route53Failover("entry", args(role, **changes)))


def test_the_record_is_weighted_and_carries_the_calculated_check() -> None:
    record = failover().one("Record", "entry-record")

    assert record["name"] == "inference.ml.example.com"
    assert record["weightedRoutingPolicies"] == [{"weight": 100}]
    assert record["setIdentifier"] == "primary"
    assert record["healthCheckId"] == "id-of-entry-check"
    assert record["ttl"] == 60


def test_a_record_is_open_only_when_endpoint_and_lever_allow() -> None:
    check = failover().one("HealthCheck", "entry-check")

    assert check["type"] == "CALCULATED"
    assert check["childHealthchecks"] == ["id-of-entry-endpoint", "id-of-entry-lever-check"]
    assert check["childHealthThreshold"] == 2


def test_the_endpoint_is_probed_where_inference_says_it_is_ready() -> None:
    check = failover().one("HealthCheck", "entry-endpoint")

    assert (check["type"], check["port"], check["resourcePath"]) == ("HTTPS", 443, "/v2/health/ready")
    assert (check["requestInterval"], check["failureThreshold"]) == (10, 3)


@pytest.mark.parametrize("role", list(Role))
def test_a_levers_alarm_is_in_the_recovery_region(role: Role) -> None:
    cloud = failover(role)

    assert cloud.one("MetricAlarm", "entry-lever")["region"] == "us-west-2"
    assert cloud.one("HealthCheck", "entry-lever-check")["cloudwatchAlarmRegion"] == "us-west-2"


def test_engage_closes_the_primary_record_and_without_data_leaves_it_as_it_was() -> None:
    cloud = failover(Role.PRIMARY)

    alarm = cloud.one("MetricAlarm", "entry-lever")
    assert alarm["name"] == "ml-dr-lever-engage"
    assert alarm["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert cloud.one("HealthCheck", "entry-lever-check")["insufficientDataHealthStatus"] == "LastKnownStatus"


@pytest.mark.parametrize(
    ("failover_mode", "without_data"),
    [(DnsFailover.AUTOMATIC, "LastKnownStatus"), (DnsFailover.MANUAL, "Unhealthy")],
)
def test_admit_opens_the_recovery_record(failover_mode: DnsFailover, without_data: str) -> None:
    cloud = failover(Role.RECOVERY, dns=Dns("ml.example.com", failover=failover_mode))

    assert cloud.one("MetricAlarm", "entry-lever")["comparisonOperator"] == "LessThanThreshold"
    assert cloud.one("HealthCheck", "entry-lever-check")["insufficientDataHealthStatus"] == without_data


def test_a_levers_alarm_is_of_a_kind_that_route53_can_follow() -> None:
    """No extended statistic, no M of N, no period below a minute (Route 53 developer guide, alarm-based checks)."""
    alarm = failover().one("MetricAlarm", "entry-lever")

    assert alarm["statistic"] == "Maximum"
    assert alarm["period"] >= 60
    assert "datapointsToAlarm" not in alarm


@pytest.mark.parametrize(("role", "name"), [(Role.PRIMARY, "inference-primary"), (Role.RECOVERY, "inference-dr")])
def test_a_region_has_a_name_of_its_own_without_a_check(role: Role, name: str) -> None:
    record = failover(role).one("Record", "entry-regional-record")

    assert record["name"] == f"{name}.ml.example.com"
    assert "healthCheckId" not in record


def test_checks_are_named_by_their_tag() -> None:
    assert failover().one("HealthCheck", "entry-endpoint")["tags"]["Name"] == "ml-dr primary: endpoint"


@pytest.mark.parametrize("weight", [-1, 256])
def test_a_weight_that_route53_does_not_take_is_refused(weight: int) -> None:
    with pytest.raises(ValueError, match=f"weight {weight} is not between 0 and 255"):
        args(weight=weight)
