from typing import Any

import pytest

from components.traffic.route53_failover import Route53Failover, Route53FailoverArgs
from dr.names import ENDPOINT_HEALTHY, ENDPOINT_UNHEALTHY
from dr.topology.topology import Dns, DnsFailover, Role
from tests.support.mocks import Cloud, deploy

READY_PATH = "/v2/models/digits/ready"
TOPIC = "arn:aws:sns:us-west-2:123456789012:ml-dr-alerts"


def args(role: Role = Role.PRIMARY, **changes: Any) -> Route53FailoverArgs:
    values = {
        "role": role,
        "dns": Dns("ml.example.com"),
        "endpoint": "serving.us-east-1.example.com",
        "ready_path": READY_PATH,
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


def test_the_record_is_weighted_and_uses_the_calculated_health_check() -> None:
    record = failover().one("Record", "entry-record")

    assert record["name"] == "inference.ml.example.com"
    assert record["weightedRoutingPolicies"] == [{"weight": 100}]
    assert record["setIdentifier"] == "primary"
    assert record["healthCheckId"] == "id-of-entry-check"
    assert record["ttl"] == 60


def test_a_record_is_healthy_only_if_its_endpoint_is_healthy_and_its_lever_open() -> None:
    check = failover().one("HealthCheck", "entry-check")

    assert check["type"] == "CALCULATED"
    assert check["childHealthchecks"] == ["id-of-entry-endpoint", "id-of-entry-lever-check"]
    assert check["childHealthThreshold"] == 2


def test_the_endpoints_health_check_uses_the_readiness_path() -> None:
    check = failover().one("HealthCheck", "entry-endpoint")

    assert (check["type"], check["port"], check["resourcePath"]) == ("HTTPS", 443, READY_PATH)
    assert (check["requestInterval"], check["failureThreshold"]) == (10, 3)


@pytest.mark.parametrize("role", list(Role))
def test_the_alarm_of_a_lever_is_in_the_recovery_region(role: Role) -> None:
    cloud = failover(role)

    assert cloud.one("MetricAlarm", "entry-lever")["region"] == "us-west-2"
    assert cloud.one("HealthCheck", "entry-lever-check")["cloudwatchAlarmRegion"] == "us-west-2"


def test_engage_closes_the_primary_record_and_keeps_its_status_without_data() -> None:
    cloud = failover(Role.PRIMARY)

    alarm = cloud.one("MetricAlarm", "entry-lever")
    assert alarm["name"] == "ml-dr-lever-engage"
    assert alarm["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert cloud.one("HealthCheck", "entry-lever-check")["insufficientDataHealthStatus"] == "LastKnownStatus"


@pytest.mark.parametrize(
    ("failover_mode", "missing_data"),
    [(DnsFailover.AUTOMATIC, "LastKnownStatus"), (DnsFailover.MANUAL, "Unhealthy")],
)
def test_admit_opens_the_recovery_record(failover_mode: DnsFailover, missing_data: str) -> None:
    cloud = failover(Role.RECOVERY, dns=Dns("ml.example.com", failover=failover_mode))

    assert cloud.one("MetricAlarm", "entry-lever")["comparisonOperator"] == "LessThanThreshold"
    assert cloud.one("HealthCheck", "entry-lever-check")["insufficientDataHealthStatus"] == missing_data


def test_the_alarm_of_a_lever_has_the_form_that_route53_requires() -> None:
    """No extended statistic, no M of N, no period below a minute (Route 53 developer guide, alarm-based checks)."""
    alarm = failover().one("MetricAlarm", "entry-lever")

    assert alarm["statistic"] == "Maximum"
    assert alarm["period"] >= 60
    assert "datapointsToAlarm" not in alarm


@pytest.mark.parametrize(("role", "name"), [(Role.PRIMARY, "inference-primary"), (Role.RECOVERY, "inference-dr")])
def test_a_region_has_a_regional_record_without_a_health_check(role: Role, name: str) -> None:
    record = failover(role).one("Record", "entry-regional-record")

    assert record["name"] == f"{name}.ml.example.com"
    assert "healthCheckId" not in record


def test_the_status_name_answers_what_the_health_checkers_find() -> None:
    cloud = failover(Role.RECOVERY)
    healthy, unhealthy = (cloud.one("Record", f"entry-status-{state}") for state in ("healthy", "unhealthy"))

    assert {each["name"] for each in (healthy, unhealthy)} == {"status-dr.ml.example.com"}
    assert (healthy["records"], healthy["healthCheckId"]) == ([ENDPOINT_HEALTHY], "id-of-entry-endpoint")
    assert healthy["weightedRoutingPolicies"] == [{"weight": 1}]
    assert (unhealthy["records"], unhealthy["weightedRoutingPolicies"]) == ([ENDPOINT_UNHEALTHY], [{"weight": 0}])
    assert "healthCheckId" not in unhealthy, "it answers whenever the other does not"
    assert healthy["ttl"] == unhealthy["ttl"] < 60


def test_health_checks_are_named_by_their_tag() -> None:
    assert failover().one("HealthCheck", "entry-endpoint")["tags"]["Name"] == "ml-dr primary: endpoint"


@pytest.mark.parametrize("weight", [-1, 256])
def test_a_weight_outside_the_range_of_route53_is_refused(weight: int) -> None:
    with pytest.raises(ValueError, match=f"weight {weight} is not between 0 and 255"):
        args(weight=weight)
