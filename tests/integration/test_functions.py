"""The functions of the recovery region, against an emulated AWS."""

from __future__ import annotations

import http.client
import json
import urllib.request
from typing import Any

import pytest

from dr.control import incident_state
from dr.control.incident_state import DayState, Levers
from dr.control.levers import values
from dr.errors import Failed, Invalid
from dr.functions import prober, republisher
from dr.names import SENTINEL_KEY
from dr.topology import topology
from sandbox.aws.faults import parse
from sandbox.server import Running

HERE, BUCKET, VAULT = "us-west-2", "control", "ml-dr-backups"
AT = {"time": "2026-11-24T12:00:00Z"}
SETTINGS = {
    "AWS_REGION": HERE,
    "WORKLOAD": "ml-dr",
    "CONTROL_BUCKET": BUCKET,
    "BACKUP_VAULT": VAULT,
    "PRIMARY_REGION": "us-east-1",
    "PRIMARY_NAME": "inference-primary.ml.example.com",
    "RECOVERY_NAME": "inference-dr.ml.example.com",
    "DNS_FAILOVER": "automatic",
}


@pytest.fixture
def aws(aws: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """With what a function's environment has, and what it reads."""
    through = {"HTTPS_PROXY": aws.endpoint, "NO_PROXY": "127.0.0.1"}
    for name, value in {**SETTINGS, **through, "SSL_CERT_FILE": str(aws.authority.file)}.items():
        monkeypatch.setenv(name, value)
    s3 = aws.client("s3", HERE)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": HERE})
    aws.client("backup", HERE).create_backup_vault(BackupVaultName=VAULT)
    return aws


def put(aws: Running, key: str, text: str) -> None:
    aws.client("s3", HERE).put_object(Bucket=BUCKET, Key=key, Body=text)


def published(aws: Running) -> dict[tuple[str, ...], float]:
    """Every metric, by name and the values of its dimensions, to its value."""
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


def test_the_prober_publishes_what_it_measured_and_nothing_else(aws: Running) -> None:
    put(aws, SENTINEL_KEY, json.dumps({"written": "2026-11-24T11:58:00Z"}))
    answer = prober.handler(AT, None)

    assert answer["unknown"] == {}
    assert published(aws) == {
        ("EndpointHealthy", "ml-dr", "us-east-1"): 0,  # the name leads nowhere
        ("EndpointHealthy", "ml-dr", "us-west-2"): 0,
        ("SentinelAgeSeconds", "ml-dr"): 120,
        ("Unmeasured", "ml-dr"): 0,
    }


def test_a_sentinel_that_never_came_is_unknown_and_not_published(aws: Running) -> None:
    answer = prober.handler(AT, None)

    assert answer["unknown"].keys() == {"SentinelAgeSeconds"}
    assert ("SentinelAgeSeconds", "ml-dr") not in published(aws)
    assert published(aws)["Unmeasured", "ml-dr"] == 1


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"written": 5}', '{"written": "2026-11-24T12:00:00"}'])
def test_what_is_no_sentinel_is_unknown_and_all_else_is_published(aws: Running, text: str) -> None:
    put(aws, SENTINEL_KEY, text)
    answer = prober.handler(AT, None)

    assert "is no sentinel" in answer["unknown"]["SentinelAgeSeconds"]
    assert published(aws).keys() == {
        ("EndpointHealthy", "ml-dr", "us-east-1"),
        ("EndpointHealthy", "ml-dr", "us-west-2"),
        ("Unmeasured", "ml-dr"),
    }


def test_a_vault_that_cannot_be_read_is_unknown_and_an_empty_one_is_not(aws: Running) -> None:
    put(aws, SENTINEL_KEY, json.dumps({"written": "2026-11-24T11:58:00Z"}))
    prober.handler(AT, None)
    assert published(aws)["Unmeasured", "ml-dr"] == 0
    aws.client("backup", HERE).delete_backup_vault(BackupVaultName=VAULT)

    assert prober.handler(AT, None)["unknown"].keys() == {"NewestCopyAgeSeconds"}


def test_an_endpoint_whose_answer_is_no_http_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    class Garbled:
        def open(self, url: str, timeout: float) -> Any:
            raise http.client.BadStatusLine("garbled")

    monkeypatch.setattr(urllib.request, "build_opener", Garbled)

    assert prober.answers("inference-dr.ml.example.com") is False


def test_the_prober_asks_for_what_health_checks_ask_for() -> None:
    assert prober.READY_PATH == topology.READY_PATH


def test_an_endpoint_that_answers_is_healthy(aws: Running) -> None:
    route53 = aws.client("route53", "us-east-1")
    zone = route53.create_hosted_zone(Name="ml.example.com", CallerReference="one")["HostedZone"]["Id"]
    for name, region in (("primary", "us-east-1"), ("dr", "us-west-2")):
        target = [{"Value": f"ml-dr-1.elb.{region}.amazonaws.com"}]
        record = {"Name": f"inference-{name}.ml.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": target}
        changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
    aws.emulator.faults.add(parse({"kind": "region", "region": "us-east-1", "unreachable": True}))
    prober.handler(AT, None)

    seen = published(aws)
    assert seen["EndpointHealthy", "ml-dr", "us-west-2"] == 1
    assert seen["EndpointHealthy", "ml-dr", "us-east-1"] == 0


def test_the_newest_copy_is_found_among_completed_recovery_points(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime, timedelta

    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    points = [
        {"CreationDate": at - timedelta(hours=hours), "Status": status}
        for hours, status in ((30, "COMPLETED"), (6, "COMPLETED"), (1, "PARTIAL"))
    ]

    class Backup:
        def get_paginator(self, name: str) -> Any:
            return self

        def paginate(self, BackupVaultName: str) -> Any:  # noqa: N803 - boto3's name
            return [{"RecoveryPoints": points[:1]}, {"RecoveryPoints": points[1:]}]

    monkeypatch.setattr(prober, "client", lambda service, region: Backup())

    assert prober.copy_age(HERE, VAULT, at) == 6 * 3600
    points.clear()
    assert prober.copy_age(HERE, VAULT, at) is None


def test_all_settings_that_are_missing_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Invalid) as caught:
        prober.handler(AT, None)

    assert len(caught.value.problems) == 7


# The republisher -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levers", "automatic", "wanted"),
    [
        (Levers(), True, {"engage": 0, "admit": 1}),
        (Levers(), False, {"engage": 0, "admit": 0}),
        (Levers(engaged=True), True, {"engage": 1, "admit": 1}),
        (Levers(engaged=True, admitted=True), False, {"engage": 1, "admit": 1}),
    ],
)
def test_levers_are_what_the_day_and_the_way_of_failing_over_make_them(
    levers: Levers, automatic: bool, wanted: dict[str, int]
) -> None:
    assert values(levers, automatic) == wanted


def test_an_ordinary_day_is_published_and_so_is_a_lever_that_is_pulled(aws: Running) -> None:
    assert republisher.handler({}, None) == {"engage": 0, "admit": 1}
    put(aws, incident_state.KEY, DayState(Levers(engaged=True)).to_json())
    assert republisher.handler({}, None) == {"engage": 1, "admit": 1}


def test_a_state_that_cannot_be_read_is_never_taken_for_an_ordinary_day(aws: Running) -> None:
    put(aws, incident_state.KEY, "{")
    with pytest.raises(Invalid, match="this is no state document"):
        republisher.handler({}, None)
    denied = {"kind": "operation", "operation": "s3:GetObject", "error": "AccessDenied", "region": HERE}
    aws.emulator.faults.add(parse(denied))
    with pytest.raises(Failed, match="AccessDenied"):
        republisher.handler({}, None)

    assert published(aws) == {}
