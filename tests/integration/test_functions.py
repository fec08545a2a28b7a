"""The functions of the recovery region, in the AWS emulator."""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dr.control import incident_state
from dr.control.incident_state import IncidentState, Levers
from dr.control.levers import values
from dr.data import recovery_points
from dr.errors import Failed, Invalid
from dr.functions import first_run, heartbeat, prober, republisher, sampling
from dr.names import ENDPOINT_HEALTHY, ENDPOINT_UNHEALTHY, SENTINEL_KEY, SERVING_KEY
from dr.topology.backups import always_copied
from sandbox.aws.faults import parse
from sandbox.server import Running

HERE, BUCKET, VAULT = "us-west-2", "control", "ml-dr-backups"
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = {
    "AWS_REGION": HERE,
    "WORKLOAD": "ml-dr",
    "CONTROL_BUCKET": BUCKET,
    "COPIES_VAULT": VAULT,
    "COPIED_CLASSES": "objects",
    "PRIMARY_REGION": "us-east-1",
    "PRIMARY_TARGET": "https://inference-primary.ml.example.com/v2/models/digits/ready",
    "RECOVERY_TARGET": "https://inference-dr.ml.example.com/v2/models/digits/ready",
    "DNS_FAILOVER": "automatic",
}


@pytest.fixture
def aws(aws: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """Return the emulator with a function's environment variables and resources."""
    through = {"HTTPS_PROXY": aws.endpoint, "NO_PROXY": "127.0.0.1"}
    for name, value in {**SETTINGS, **through, "SSL_CERT_FILE": str(aws.authority.file)}.items():
        monkeypatch.setenv(name, value)
    s3 = aws.client("s3", HERE)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": HERE})
    aws.client("backup", HERE).create_backup_vault(BackupVaultName=VAULT)
    monkeypatch.setattr(prober, "sample_times", lambda: [AT])
    return aws


def put(aws: Running, key: str, text: str) -> None:
    aws.client("s3", HERE).put_object(Bucket=BUCKET, Key=key, Body=text)


def published(aws: Running) -> dict[tuple[str, ...], float]:
    """Return every metric's value by name and dimension values."""
    metrics = aws.client("cloudwatch", HERE)
    found = {}
    for each in metrics.list_metrics(Namespace="DisasterRecovery")["Metrics"]:
        name = (each["MetricName"], *sorted(one["Value"] for one in each["Dimensions"]))
        (value,) = (one.value for one in _data() if one.name == each["MetricName"] and _of(one) == name[1:])
        found[name] = value
    return found


def _data() -> list[Any]:
    from moto.cloudwatch.models import cloudwatch_backends

    return list(cloudwatch_backends["123456789012"][HERE].metric_data)


def _of(datum: Any) -> tuple[str, ...]:
    return tuple(sorted(one.value for one in datum.dimensions))


# The prober ------------------------------------------------------------------------------------------------------


def test_the_prober_publishes_only_measured_values(aws: Running) -> None:
    put(aws, SENTINEL_KEY, json.dumps({"written": "2026-11-24T11:58:00Z"}))
    answer = prober.handler({}, None)

    assert answer["unknown"] == {}
    assert published(aws) == {
        ("EndpointHealthy", "ml-dr", "us-east-1"): 0,  # the name does not resolve
        ("NewestCopyAgeSeconds", "ml-dr"): 0,
        ("SentinelAgeSeconds", "ml-dr"): 120,
        ("Unmeasured", "ml-dr"): 0,
    }


def test_a_missing_sentinel_is_unknown_and_not_published(aws: Running) -> None:
    answer = prober.handler({}, None)

    assert answer["unknown"].keys() == {"SentinelAgeSeconds"}
    assert ("SentinelAgeSeconds", "ml-dr") not in published(aws)
    assert published(aws)["Unmeasured", "ml-dr"] == 1


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"written": 5}', '{"written": "2026-11-24T12:00:00"}'])
def test_an_invalid_sentinel_is_unknown_and_other_values_are_published(aws: Running, text: str) -> None:
    put(aws, SENTINEL_KEY, text)
    answer = prober.handler({}, None)

    assert "is not a sentinel" in answer["unknown"]["SentinelAgeSeconds"]
    assert published(aws).keys() == {
        ("EndpointHealthy", "ml-dr", "us-east-1"),
        ("NewestCopyAgeSeconds", "ml-dr"),
        ("Unmeasured", "ml-dr"),
    }


def test_the_recovery_endpoint_is_measured_only_while_it_is_expected_to_serve(aws: Running) -> None:
    for serves, measured in (("false", False), ("true", True)):
        put(aws, SERVING_KEY, f'{{"serves": {serves}}}')
        assert ("EndpointHealthy us-west-2" in prober.handler({}, None)["values"]) is measured


def test_an_invalid_expectation_is_unknown(aws: Running) -> None:
    put(aws, SERVING_KEY, "[]")

    assert "is not an expectation" in prober.handler({}, None)["unknown"]["EndpointHealthy"]


def test_an_unreadable_vault_is_unknown_and_an_empty_one_is_not(aws: Running) -> None:
    put(aws, SENTINEL_KEY, json.dumps({"written": "2026-11-24T11:58:00Z"}))
    prober.handler({}, None)
    assert published(aws)["Unmeasured", "ml-dr"] == 0
    aws.client("backup", HERE).delete_backup_vault(BackupVaultName=VAULT)

    assert prober.handler({}, None)["unknown"].keys() == {"NewestCopyAgeSeconds"}


def test_an_endpoint_that_does_not_speak_http_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    class Garbled:
        def open(self, url: str, timeout: float) -> Any:
            raise http.client.BadStatusLine("garbled")

    monkeypatch.setattr(urllib.request, "build_opener", Garbled)

    assert prober.is_ready("https://inference-dr.ml.example.com/v2/models/digits/ready") is False


def test_a_ready_endpoint_is_healthy(aws: Running) -> None:
    route53 = aws.client("route53", "us-east-1")
    zone = route53.create_hosted_zone(Name="ml.example.com", CallerReference="one")["HostedZone"]["Id"]
    for name, region in (("primary", "us-east-1"), ("dr", "us-west-2")):
        target = [{"Value": f"ml-dr-1.elb.{region}.amazonaws.com"}]
        record = {"Name": f"inference-{name}.ml.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": target}
        changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
    aws.emulator.faults.add(parse({"kind": "region", "region": "us-east-1", "unreachable": True}))
    put(aws, SERVING_KEY, '{"serves": true}')
    prober.handler({}, None)

    metrics = published(aws)
    assert metrics["EndpointHealthy", "ml-dr", "us-west-2"] == 1
    assert metrics["EndpointHealthy", "ml-dr", "us-east-1"] == 0


@pytest.mark.parametrize(("address", "value"), [(ENDPOINT_HEALTHY, 1), (ENDPOINT_UNHEALTHY, 0)])
def test_an_endpoint_that_does_not_admit_the_prober_is_as_healthy_as_the_health_checkers_find(
    aws: Running, monkeypatch: pytest.MonkeyPatch, address: str, value: int
) -> None:
    monkeypatch.setenv("PRIMARY_TARGET", "dns:status-primary.ml.example.com")
    resolve(monkeypatch, address)
    prober.handler({}, None)

    assert published(aws)["EndpointHealthy", "ml-dr", "us-east-1"] == value


@pytest.mark.parametrize("addresses", [(), ("203.0.113.5",), (ENDPOINT_HEALTHY, ENDPOINT_UNHEALTHY)])
def test_an_endpoint_of_which_dns_says_nothing_is_unknown_and_not_down(
    aws: Running, monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PRIMARY_TARGET", "dns:status-primary.ml.example.com")
    resolve(monkeypatch, *addresses)
    answer = prober.handler({}, None)

    assert "status-primary.ml.example.com" in answer["unknown"]["EndpointHealthy"]
    assert ("EndpointHealthy", "ml-dr", "us-east-1") not in published(aws)


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Answer queries for status names."""
    system = socket.getaddrinfo

    def answer(host: Any, *rest: Any, **options: Any) -> list[Any]:
        if not str(host).startswith("status-"):
            return list(system(host, *rest, **options))
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_the_newest_copy_of_each_class_is_its_newest_completed_recovery_point(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (("S3", 30, "COMPLETED"), ("S3", 6, "COMPLETED"), ("S3", 1, "PARTIAL"), ("EBS", 9, "COMPLETED"))
    about = {"RecoveryPointArn": "arn:of:point", "BackupVaultName": VAULT, "ResourceArn": "arn:of:resource"}
    points = [
        {**about, "ResourceType": kind, "CreationDate": AT - timedelta(hours=hours), "Status": status}
        for kind, hours, status in kinds
    ]

    class Backup:
        def get_paginator(self, name: str) -> Any:
            return self

        def paginate(self, BackupVaultName: str) -> Any:  # noqa: N803 - boto3's name
            return [{"RecoveryPoints": points[:1]}, {"RecoveryPoints": points[1:]}]

        def describe_backup_vault(self, BackupVaultName: str) -> Any:  # noqa: N803 - boto3's name
            return {"CreationDate": AT - timedelta(days=2)}

    monkeypatch.setattr(recovery_points, "client", lambda service, region: Backup())

    of_objects, of_volumes, of_databases = ((prober.COPY_METRIC, about) for about in ("", "volumes", "databases"))
    copied, none = always_copied(database=True), 48 * 3600
    assert prober.copy_ages(HERE, VAULT, AT, copied) == {
        **{of_objects: 6 * 3600, of_volumes: 9 * 3600},
        of_databases: none,  # without a copy, the age of the vault
    }
    points.clear()
    assert prober.copy_ages(HERE, VAULT, AT, copied) == {of_objects: none, of_databases: none}
    assert prober.copy_ages(HERE, VAULT, AT, always_copied(database=False)) == {of_objects: none}


def test_all_missing_settings_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Invalid) as caught:
        prober.handler({}, None)

    assert len(caught.value.problems) == 8


@pytest.mark.parametrize("handler", [prober.handler, republisher.handler, heartbeat.handler])
def test_the_first_run_of_a_function_reads_its_settings_and_calls_no_service(aws: Running, handler: Any) -> None:
    aws.emulator.faults.add(parse({"kind": "region", "region": HERE, "unreachable": True}))

    assert handler({first_run.NAME: True}, None) == {}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CONTROL_BUCKET")
        with pytest.raises(Invalid, match="CONTROL_BUCKET"):
            handler({first_run.NAME: True}, None)


# The heartbeat ---------------------------------------------------------------------------------------------------


def test_the_heartbeat_writes_a_sentinel_that_the_prober_reads(aws: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "sample_times", lambda: [AT, AT + timedelta(seconds=20)])

    assert heartbeat.handler({}, None) == {"written": "2026-11-24T12:00:20+00:00"}
    assert prober.sentinel_age(HERE, BUCKET, AT + timedelta(seconds=50)) == 30


def test_the_heartbeat_fails_when_it_cannot_write(aws: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROL_BUCKET", "elsewhere")
    with pytest.raises(Failed, match="elsewhere"):
        heartbeat.handler({}, None)


def test_a_run_takes_three_samples_twenty_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "time", lambda: 1000.0 + sum(waits))
    monkeypatch.setattr(time, "sleep", waits.append)

    assert [at.timestamp() for at in sampling.sample_times()] == [1000, 1020, 1040]


# The republisher -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levers", "automatic", "expected"),
    [
        (Levers(), True, {"engage": 0, "admit": 1}),
        (Levers(), False, {"engage": 0, "admit": 0}),
        (Levers(engaged=True), True, {"engage": 1, "admit": 1}),
        (Levers(engaged=True, admitted=True), False, {"engage": 1, "admit": 1}),
    ],
)
def test_levers_follow_the_incident_state_and_the_failover_mode(
    levers: Levers, automatic: bool, expected: dict[str, int]
) -> None:
    assert values(levers, automatic) == expected


def test_levers_are_published_in_normal_operation_and_when_set(aws: Running) -> None:
    assert republisher.handler({}, None) == {"engage": 0, "admit": 1}
    put(aws, incident_state.KEY, IncidentState(Levers(engaged=True)).to_json())
    assert republisher.handler({}, None) == {"engage": 1, "admit": 1}


def test_an_unreadable_state_is_never_treated_as_normal_operation(aws: Running) -> None:
    put(aws, incident_state.KEY, "{")
    with pytest.raises(Invalid, match="not a valid incident state"):
        republisher.handler({}, None)
    denied = {"kind": "operation", "operation": "s3:GetObject", "error": "AccessDenied", "region": HERE}
    aws.emulator.faults.add(parse(denied))
    with pytest.raises(Failed, match="AccessDenied"):
        republisher.handler({}, None)

    assert published(aws) == {}
