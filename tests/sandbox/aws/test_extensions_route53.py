from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

ENDPOINT = {
    "Type": "HTTPS",
    "FullyQualifiedDomainName": "serving.us-east-1.example.com",
    "ResourcePath": "/v2/health/ready",
    "Port": 443,
    "RequestInterval": 10,
    "FailureThreshold": 2,
}


@pytest.fixture
def route53(aws: Running) -> Any:
    return aws.client("route53", PRIMARY)


@pytest.fixture
def zone(route53: Any) -> str:
    made = route53.create_hosted_zone(Name="example.com", CallerReference="zone")
    return str(made["HostedZone"]["Id"])


def test_an_endpoint_check_is_read_back_with_the_defaults(route53: Any) -> None:
    check = _create(route53, "a", **ENDPOINT)
    filled = {"MeasureLatency": False, "EnableSNI": True, "Inverted": False, "Disabled": False}
    assert check["HealthCheckConfig"] == ENDPOINT | filled
    assert route53.get_health_check(HealthCheckId=check["Id"])["HealthCheck"] == check
    assert route53.list_health_checks()["HealthChecks"] == [check]
    assert route53.get_health_check_count()["HealthCheckCount"] == 1


def test_an_alarm_check_is_read_back_with_the_alarm_it_copied(aws: Running, route53: Any) -> None:
    _alarm(aws)
    config = {
        "Type": "CLOUDWATCH_METRIC",
        "AlarmIdentifier": {"Region": RECOVERY, "Name": "engaged"},
        "InsufficientDataHealthStatus": "LastKnownStatus",
        "Inverted": True,
        "Disabled": False,
    }
    check = _create(route53, "a", **config)
    assert check["HealthCheckConfig"] == config
    alarm = check["CloudWatchAlarmConfiguration"]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["Period"]) == ("Engage", 1.0, 60)
    assert alarm["Dimensions"] == [{"Name": "Deployment", "Value": "dr"}]


def test_an_update_of_a_health_check_changes_only_named_elements(route53: Any) -> None:
    children = [_create(route53, name, **ENDPOINT)["Id"] for name in "ab"]
    made = _create(route53, "c", Type="CALCULATED", ChildHealthChecks=children, HealthThreshold=2)
    assert made["HealthCheckVersion"] == 1
    changed = route53.update_health_check(HealthCheckId=made["Id"], HealthThreshold=1, HealthCheckVersion=1)
    assert changed["HealthCheck"]["HealthCheckVersion"] == 2
    assert changed["HealthCheck"]["HealthCheckConfig"] == made["HealthCheckConfig"] | {"HealthThreshold": 1}
    with pytest.raises(ClientError, match="HealthCheckVersionMismatch"):
        route53.update_health_check(HealthCheckId=made["Id"], HealthThreshold=2, HealthCheckVersion=1)


def test_a_caller_reference_creates_one_health_check(route53: Any) -> None:
    assert _create(route53, "a", **ENDPOINT)["Id"] == _create(route53, "a", **ENDPOINT)["Id"]
    with pytest.raises(ClientError, match="HealthCheckAlreadyExists"):
        _create(route53, "a", **ENDPOINT | {"Port": 8443})


def test_an_unknown_child_is_refused(route53: Any) -> None:
    with pytest.raises(ClientError, match="no-such-check do not exist") as caught:
        _create(route53, "a", Type="CALCULATED", ChildHealthChecks=["no-such-check"], HealthThreshold=1)
    assert caught.value.response["Error"]["Code"] == "InvalidInput"


def test_an_unknown_alarm_is_refused(route53: Any) -> None:
    with pytest.raises(ClientError, match="alarm engaged does not exist in us-west-2"):
        _create(route53, "a", Type="CLOUDWATCH_METRIC", AlarmIdentifier={"Region": RECOVERY, "Name": "engaged"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Period": 10}, "is a high-resolution alarm"),
        ({"EvaluationPeriods": 3, "DatapointsToAlarm": 2}, "needs M of N datapoints"),
        ({"Statistic": None, "ExtendedStatistic": "p99"}, "has an extended statistic"),
    ],
)
def test_an_alarm_that_route_53_cannot_monitor_is_refused(
    aws: Running, route53: Any, changes: dict[str, Any], said: str
) -> None:
    _alarm(aws, **changes)
    with pytest.raises(ClientError, match=said):
        _create(route53, "a", Type="CLOUDWATCH_METRIC", AlarmIdentifier={"Region": RECOVERY, "Name": "engaged"})


def test_a_check_in_use_can_be_deleted_as_on_aws(route53: Any, zone: str) -> None:
    check = _create(route53, "a", **ENDPOINT)["Id"]
    _change(route53, zone, "CREATE", _weighted("primary", 100, HealthCheckId=check))
    route53.delete_health_check(HealthCheckId=check)
    with pytest.raises(ClientError, match="NoSuchHealthCheck"):
        route53.delete_health_check(HealthCheckId=check)


def test_a_record_with_an_unknown_check_is_refused(route53: Any, zone: str) -> None:
    with pytest.raises(ClientError) as caught:
        _change(route53, zone, "CREATE", _weighted("primary", 100, HealthCheckId="no-such-check"))
    assert caught.value.response["Error"]["Code"] == "NoSuchHealthCheck"


def test_records_are_read_back_as_written(route53: Any, zone: str) -> None:
    check = _create(route53, "a", **ENDPOINT)["Id"]
    records = [_weighted("primary", 100, HealthCheckId=check), _weighted("recovery", 0)]
    for record in records:
        _change(route53, zone, "CREATE", record)
    assert _records(route53, zone) == records
    _change(route53, zone, "UPSERT", _weighted("recovery", 100))
    assert [record["Weight"] for record in _records(route53, zone)] == [100, 100]


def test_deleting_a_record_keeps_records_of_other_names_with_its_set_identifier(route53: Any, zone: str) -> None:
    other = _weighted("primary", 1, Name="other.example.com.")
    _change(route53, zone, "CREATE", _weighted("primary", 100))
    _change(route53, zone, "CREATE", other)
    _change(route53, zone, "DELETE", _weighted("primary", 100))
    assert _records(route53, zone) == [other]


def test_a_change_batch_is_applied_whole_or_not_at_all(route53: Any, zone: str) -> None:
    good, bad = _weighted("primary", 100), _weighted("recovery", 0, Name="serving.elsewhere.net.")
    with pytest.raises(ClientError, match="not permitted in zone"):
        route53.change_resource_record_sets(
            HostedZoneId=zone,
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record} for record in (good, bad)]},
        )
    assert _records(route53, zone) == []


@pytest.mark.parametrize(
    ("action", "changes", "said"),
    [
        ("CREATE", {}, "already exists"),
        ("DELETE", {"SetIdentifier": "unknown"}, "was not found"),
        ("DELETE", {"Weight": 7}, "do not match the current values"),
        ("UPSERT", {"Name": "example.com."}, "not permitted at apex"),
        ("UPSERT", {"Type": "A", "ResourceRecords": [{"Value": "192.0.2.1"}]}, "conflicts with other records"),
        ("UPSERT", {"Failover": "PRIMARY"}, "one routing policy"),
        ("UPSERT", {"SetIdentifier": "second", "Weight": None, "Failover": "PRIMARY"}, "another routing policy"),
        ("UPSERT", {"SetIdentifier": None}, "SetIdentifier and a routing policy"),
        ("UPSERT", {"TTL": None}, "either AliasTarget, or TTL"),
    ],
)
def test_a_change_that_route_53_refuses_is_refused(
    route53: Any, zone: str, action: str, changes: dict[str, Any], said: str
) -> None:
    _change(route53, zone, "CREATE", _weighted("primary", 100))
    record = {name: value for name, value in (_weighted("primary", 100) | changes).items() if value is not None}
    with pytest.raises(ClientError, match=said) as caught:
        _change(route53, zone, action, record)
    assert caught.value.response["Error"]["Code"] == "InvalidChangeBatch"


def test_an_emptied_zone_can_be_deleted(route53: Any, zone: str) -> None:
    _change(route53, zone, "CREATE", _weighted("primary", 100))
    with pytest.raises(ClientError, match="HostedZoneNotEmpty"):
        route53.delete_hosted_zone(Id=zone)
    _change(route53, zone, "DELETE", _weighted("primary", 100))
    route53.delete_hosted_zone(Id=zone)


def _create(route53: Any, reference: str, **config: Any) -> dict[str, Any]:
    made = route53.create_health_check(CallerReference=reference, HealthCheckConfig=config)
    return dict(made["HealthCheck"])


def _weighted(identifier: str, weight: int, **changes: Any) -> dict[str, Any]:
    return {
        "Name": "serving.example.com.",
        "Type": "CNAME",
        "TTL": 60,
        "SetIdentifier": identifier,
        "Weight": weight,
        "ResourceRecords": [{"Value": f"{identifier}.us-east-1.example.com"}],
    } | changes


def _change(route53: Any, zone: str, action: str, record: dict[str, Any]) -> None:
    changes = [{"Action": action, "ResourceRecordSet": record}]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def _records(route53: Any, zone: str) -> list[dict[str, Any]]:
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return [record for record in found if record["Type"] not in ("NS", "SOA")]


def _alarm(aws: Running, **changes: Any) -> None:
    alarm = {
        "AlarmName": "engaged",
        "Namespace": "DR/Levers",
        "MetricName": "Engage",
        "Dimensions": [{"Name": "Deployment", "Value": "dr"}],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }
    wanted = {name: value for name, value in (alarm | changes).items() if value is not None}
    aws.client("cloudwatch", RECOVERY).put_metric_alarm(**wanted)
