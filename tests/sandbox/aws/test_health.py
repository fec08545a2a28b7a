from __future__ import annotations

import datetime
import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

Control = Callable[..., Any]
NAMES = {PRIMARY: "serving.us-east-1.example.com", RECOVERY: "serving.us-west-2.example.com"}
GONE = {"kind": "region", "region": PRIMARY, "unreachable": True}
UNTIL_DETECTED = {"advance": 90}
"""Three checks of the usual interval, 30 s."""


class Checks:
    """Creates and reads health checks by type."""

    def __init__(self, aws: Running) -> None:
        self.client = aws.client("route53", PRIMARY)
        self._made = 0

    def make(self, **config: Any) -> str:
        self._made += 1
        made = self.client.create_health_check(CallerReference=str(self._made), HealthCheckConfig=config)
        return str(made["HealthCheck"]["Id"])

    def endpoint(self, region: str, **changes: Any) -> str:
        config = {"Type": "HTTPS", "FullyQualifiedDomainName": NAMES[region], "ResourcePath": "/v2/health/ready"}
        return self.make(**config | changes)

    def status(self, check: str) -> str:
        observed = self.client.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        statuses = {observation["StatusReport"]["Status"] for observation in observed}
        assert len(statuses) == 1
        return statuses.pop()

    def healthy(self, check: str) -> bool:
        return self.status(check).startswith("Success")


@pytest.fixture
def checks(aws: Running) -> Checks:
    return Checks(aws)


def test_the_emulator_answers_health_requests_of_an_endpoint(aws: Running, control: Control) -> None:
    assert _get(aws, NAMES[PRIMARY], "/v2/health/ready") == (200, "ready\n")
    assert _get(aws, NAMES[PRIMARY], "/v2/health/live") == (200, "live\n")
    assert _get(aws, "serving.example.com", "/v2/health/ready")[0] == 404
    control("POST", "faults", GONE)
    with pytest.raises(ConnectionError):
        _get(aws, NAMES[PRIMARY], "/v2/health/ready")
    assert _get(aws, NAMES[RECOVERY], "/v2/health/ready")[0] == 200


def test_an_endpoint_is_healthy_while_its_region_is_reachable(checks: Checks, control: Control) -> None:
    primary, recovery = checks.endpoint(PRIMARY), checks.endpoint(RECOVERY)
    assert checks.healthy(primary)
    assert checks.healthy(recovery)
    control("POST", "faults", GONE)
    assert "cannot be reached" in checks.status(primary)
    assert checks.healthy(recovery)
    control("DELETE", "faults")
    assert checks.healthy(primary)


def test_an_endpoint_can_be_unhealthy_in_a_reachable_region(aws: Running, checks: Checks, control: Control) -> None:
    check = checks.endpoint(PRIMARY)
    control("POST", "endpoints", {"host": NAMES[PRIMARY], "healthy": False})
    assert not checks.healthy(check)
    assert _get(aws, NAMES[PRIMARY], "/v2/health/ready")[0] == 503
    control("POST", "endpoints", {"host": NAMES[PRIMARY], "healthy": True})
    assert checks.healthy(check)
    assert "an endpoint is" in control("POST", "endpoints", {"host": "x"})["error"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"FullyQualifiedDomainName": "serving.example.com"}, "no endpoint of that name in the sandbox"),
        ({"ResourcePath": "/healthz"}, "404"),
        ({"Type": "HTTPS_STR_MATCH", "SearchString": "queued"}, "'queued' is not in the answer"),
        ({"Inverted": True}, "inverted"),
    ],
)
def test_endpoint_with_another_response_than_expected_is_unhealthy(
    checks: Checks, changes: dict[str, Any], said: str
) -> None:
    status = checks.status(checks.endpoint(PRIMARY, **changes))
    assert status.startswith("Failure")
    assert said in status


@pytest.mark.parametrize(
    "changes", [{"Type": "TCP", "Port": 8080}, {"Type": "HTTP_STR_MATCH", "SearchString": "ready"}, {"Disabled": True}]
)
def test_other_kinds_of_endpoint_checks_are_healthy_too(checks: Checks, changes: dict[str, Any]) -> None:
    config = {"Type": "HTTP", "FullyQualifiedDomainName": NAMES[PRIMARY], "ResourcePath": "/v2/health/ready"} | changes
    if config["Type"] == "TCP":
        del config["ResourcePath"]
    assert checks.healthy(checks.make(**config))


@pytest.mark.parametrize(("threshold", "healthy"), [(0, True), (1, True), (2, False)])
def test_a_calculated_check_counts_its_children(
    checks: Checks, control: Control, threshold: int, healthy: bool
) -> None:
    children = [checks.endpoint(region) for region in NAMES]
    both = checks.make(Type="CALCULATED", ChildHealthChecks=children, HealthThreshold=threshold)
    control("POST", "faults", GONE)
    control("POST", "clock", UNTIL_DETECTED)
    assert checks.healthy(both) is healthy


def test_an_alarm_check_follows_the_metric_and_not_the_alarms_state(aws: Running, checks: Checks) -> None:
    cloudwatch, check = _lever(aws, checks, "LastKnownStatus")
    assert checks.healthy(check)
    cloudwatch.set_alarm_state(AlarmName="engaged", StateValue="ALARM", StateReason="drill")
    assert checks.healthy(check)
    _publish(cloudwatch, 1)
    assert not checks.healthy(check)


@pytest.mark.parametrize(("missing", "healthy"), [("Healthy", True), ("Unhealthy", False), ("LastKnownStatus", False)])
def test_an_alarm_check_without_data_has_its_configured_status(
    aws: Running, checks: Checks, control: Control, missing: str, healthy: bool
) -> None:
    cloudwatch, check = _lever(aws, checks, missing)
    _publish(cloudwatch, 1)
    assert not checks.healthy(check)
    control("POST", "faults", GONE | {"region": RECOVERY})
    assert checks.healthy(check) is healthy


def test_an_alarm_check_ignores_later_changes_of_the_alarm(aws: Running, checks: Checks) -> None:
    cloudwatch, check = _lever(aws, checks, "LastKnownStatus")
    _put_alarm(cloudwatch, Threshold=5.0)
    _publish(cloudwatch, 1)
    assert not checks.healthy(check)
    checks.client.update_health_check(HealthCheckId=check, AlarmIdentifier={"Region": RECOVERY, "Name": "engaged"})
    assert checks.healthy(check)


class Zone:
    """A zone with two weighted records of one name."""

    def __init__(self, checks: Checks) -> None:
        self.client = checks.client
        made = self.client.create_hosted_zone(Name="example.com", CallerReference="zone")
        self.id = made["HostedZone"]["Id"]

    def weighted(self, region: str, weight: int, check: str | None, **record: Any) -> None:
        wanted: dict[str, Any] = {
            "Name": "inference.example.com",
            "Type": "CNAME",
            "SetIdentifier": region,
            "Weight": weight,
        } | (record or {"TTL": 60, "ResourceRecords": [{"Value": NAMES[region]}]})
        if check:
            wanted["HealthCheckId"] = check
        self.put(wanted)

    def put(self, record: dict[str, Any]) -> None:
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
        self.client.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": changes})

    def ask(self, name: str = "inference.example.com", kind: str = "CNAME") -> tuple[str, list[str]]:
        answer = self.client.test_dns_answer(HostedZoneId=self.id, RecordName=name, RecordType=kind)
        return answer["ResponseCode"], answer["RecordData"]


@pytest.fixture
def zone(checks: Checks) -> Zone:
    return Zone(checks)


def test_record_of_weight_0_is_returned_only_if_all_others_are_unhealthy(
    checks: Checks, zone: Zone, control: Control
) -> None:
    zone.weighted(PRIMARY, 100, checks.endpoint(PRIMARY))
    zone.weighted(RECOVERY, 0, checks.endpoint(RECOVERY))
    assert {str(zone.ask()) for _ in range(20)} == {str(("NOERROR", [NAMES[PRIMARY]]))}
    control("POST", "faults", GONE)
    control("POST", "clock", UNTIL_DETECTED)
    assert zone.ask() == ("NOERROR", [NAMES[RECOVERY]])
    control("POST", "faults", GONE | {"region": RECOVERY})
    control("POST", "clock", UNTIL_DETECTED)
    assert zone.ask() == ("NOERROR", [NAMES[PRIMARY]]), "all unhealthy: all count as healthy"


def test_records_of_equal_weight_are_all_returned(checks: Checks, zone: Zone) -> None:
    for region in NAMES:
        zone.weighted(region, 100, checks.endpoint(region))
    assert {zone.ask()[1][0] for _ in range(100)} == set(NAMES.values())


def test_a_record_without_a_check_is_always_healthy(checks: Checks, zone: Zone, control: Control) -> None:
    zone.weighted(PRIMARY, 100, None)
    zone.weighted(RECOVERY, 0, checks.endpoint(RECOVERY))
    control("POST", "faults", GONE)
    control("POST", "clock", UNTIL_DETECTED)
    assert zone.ask() == ("NOERROR", [NAMES[PRIMARY]])


def test_records_that_all_have_weight_0_are_all_returned(checks: Checks, zone: Zone) -> None:
    for region in NAMES:
        zone.weighted(region, 0, checks.endpoint(region))
    assert {zone.ask()[1][0] for _ in range(100)} == set(NAMES.values())


@pytest.mark.parametrize(("interval", "failures"), [(10, 2), (30, 3)])
def test_a_record_is_withdrawn_and_returned_after_as_many_checks_as_the_threshold(
    checks: Checks, zone: Zone, control: Control, interval: int, failures: int
) -> None:
    second = datetime.datetime.fromisoformat(control("GET", "clock")["now"]).second
    control("POST", "clock", {"advance": 60 - second + 1})
    zone.weighted(PRIMARY, 100, checks.endpoint(PRIMARY, RequestInterval=interval, FailureThreshold=failures))
    zone.weighted(RECOVERY, 0, None)
    for serving, other in ((PRIMARY, RECOVERY), (RECOVERY, PRIMARY)):
        control("POST" if serving == PRIMARY else "DELETE", "faults", GONE if serving == PRIMARY else None)
        control("POST", "clock", {"advance": interval * failures - 10})
        assert zone.ask() == ("NOERROR", [NAMES[serving]])
        control("POST", "clock", {"advance": 10})
        assert zone.ask() == ("NOERROR", [NAMES[other]])


def test_one_failed_check_changes_no_answer(checks: Checks, zone: Zone, control: Control) -> None:
    zone.weighted(PRIMARY, 100, checks.endpoint(PRIMARY, RequestInterval=10, FailureThreshold=2))
    zone.weighted(RECOVERY, 0, None)
    for _ in range(3):
        control("POST", "faults", GONE)
        control("POST", "clock", {"advance": 10})
        control("DELETE", "faults")
        control("POST", "clock", {"advance": 10})
        assert zone.ask() == ("NOERROR", [NAMES[PRIMARY]])


def test_last_known_status_is_that_of_the_last_data_although_nothing_read_it(
    aws: Running, checks: Checks, zone: Zone, control: Control
) -> None:
    cloudwatch, lever = _lever(aws, checks, "LastKnownStatus")
    zone.weighted(PRIMARY, 100, lever)
    zone.weighted(RECOVERY, 0, None)
    _publish(cloudwatch, 1)
    control("POST", "clock", {"advance": 60})
    control("POST", "faults", GONE | {"region": RECOVERY})
    control("POST", "clock", {"advance": 600})
    assert zone.ask() == ("NOERROR", [NAMES[RECOVERY]])


def test_an_alias_with_target_evaluation_fails_with_its_target(zone: Zone, control: Control) -> None:
    for region, weight in ((PRIMARY, 100), (RECOVERY, 0)):
        target = f"lb-1.{region}.elb.amazonaws.com"
        alias = {"HostedZoneId": "Z1H1FL5HABSF5", "DNSName": target, "EvaluateTargetHealth": True}
        zone.weighted(region, weight, None, Type="A", AliasTarget=alias)
    by_region = {region: control("GET", f"dns?name=lb-1.{region}.elb.amazonaws.com")["data"] for region in NAMES}
    assert zone.ask(kind="A") == ("NOERROR", by_region[PRIMARY])
    control("POST", "faults", GONE)
    assert zone.ask(kind="A") == ("NOERROR", by_region[RECOVERY])


def test_an_unknown_name_is_nxdomain(zone: Zone) -> None:
    assert zone.ask("unknown.example.com") == ("NXDOMAIN", [])


def test_names_resolve_while_the_control_plane_of_route_53_is_lost(
    checks: Checks, zone: Zone, control: Control
) -> None:
    zone.weighted(PRIMARY, 100, checks.endpoint(PRIMARY))
    zone.weighted(RECOVERY, 0, checks.endpoint(RECOVERY))
    for region, address in ((PRIMARY, "192.0.2.1"), (RECOVERY, "192.0.2.2")):
        zone.put({"Name": NAMES[region], "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]})
    control("POST", "faults", GONE | {"with_global": True})
    control("POST", "clock", UNTIL_DETECTED)
    answer = control("GET", "dns?name=inference.example.com&type=A")
    assert (answer["code"], answer["data"]) == ("NOERROR", ["192.0.2.2"])
    assert answer["chain"] == ["inference.example.com", NAMES[RECOVERY]]


def _get(aws: Running, host: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
    connection.request("GET", path, headers={"Host": host})
    response = connection.getresponse()
    return response.status, response.read().decode()


def _lever(aws: Running, checks: Checks, missing: str) -> tuple[Any, str]:
    cloudwatch = aws.client("cloudwatch", RECOVERY)
    _put_alarm(cloudwatch)
    check = checks.make(
        Type="CLOUDWATCH_METRIC",
        AlarmIdentifier={"Region": RECOVERY, "Name": "engaged"},
        InsufficientDataHealthStatus=missing,
    )
    return cloudwatch, check


def _put_alarm(cloudwatch: Any, **changes: Any) -> None:
    alarm = {
        "AlarmName": "engaged",
        "Namespace": "DR/Levers",
        "MetricName": "Engage",
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    cloudwatch.put_metric_alarm(**alarm | changes)


def _publish(cloudwatch: Any, value: int) -> None:
    datum = {"MetricName": "Engage", "Value": value, "Timestamp": datetime.datetime.now(datetime.UTC)}
    cloudwatch.put_metric_data(Namespace="DR/Levers", MetricData=[datum])
