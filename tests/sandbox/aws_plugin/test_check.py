"""Check: compliant inputs of each type, and one invalid property."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.aws_plugin.catalog import CATALOG
from sandbox.aws_plugin.check import check
from sandbox.aws_plugin.connections import Connections
from sandbox.aws_plugin.plugin import UNKNOWN, SandboxError

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
ROLE = "aws:iam/role:Role"
RECORD = "aws:route53/record:Record"
CHECK = "aws:route53/healthCheck:HealthCheck"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
GOOD: dict[str, dict[str, Any]] = {
    BUCKET: {"bucket": "ml-data"},
    VERSIONING: {"bucket": "ml-data", "versioningConfiguration": {"status": "Enabled"}},
    REPLICATION: {
        "bucket": "ml-data",
        "role": "arn:aws:iam::123456789012:role/r",
        "rules": [{"status": "Enabled", "destination": {"bucket": "arn:aws:s3:::b"}}],
    },
    KEY: {"enableKeyRotation": True},
    ALIAS: {"name": "alias/data", "targetKeyId": "k"},
    ROLE: {"assumeRolePolicy": '{"Version": "2012-10-17"}'},
    RECORD: {"zoneId": "Z1", "name": "serving", "type": "A", "ttl": 60, "records": ["192.0.2.1"]},
    CHECK: {"type": "TCP", "fqdn": "a.example.com", "port": 443},
    ALARM: {
        "metricName": "m",
        "namespace": "n",
        "statistic": "Sum",
        "comparisonOperator": "LessThanThreshold",
        "evaluationPeriods": 1,
    },
}


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Connections:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return Connections("us-west-2", {"owner": "ml"})


def _check(connections: Connections, token: str, **more: Any) -> tuple[dict[str, Any], dict[str, str]]:
    before = more.pop("before", {})
    seed = more.pop("seed", b"s")
    wanted = {name: value for name, value in (GOOD[token] | more).items() if value is not None}
    inputs, problems = check(CATALOG[token], "data", wanted, before, connections, seed)
    return inputs, dict(problems)


@pytest.mark.parametrize("token", GOOD)
def test_compliant_example_has_no_problem(connections: Connections, token: str) -> None:
    assert _check(connections, token)[1] == {}


@pytest.mark.parametrize(
    ("token", "broken", "path", "reason"),
    [
        (
            BUCKET,
            {"bukcet": "x"},
            "bukcet",
            "unknown property 'bukcet' of aws:s3/bucket:Bucket; did you mean 'bucket'?",
        ),
        (BUCKET, {"website": {}}, "website", "not carried by the sandbox: aws:s3/bucket:Bucket.website"),
        (BUCKET, {"bucket": "x" * 64}, "bucket", "has 64 characters; a bucket name has 3 to 63"),
        (BUCKET, {"bucket": "Data"}, "bucket", "lower-case"),
        (BUCKET, {"bucket": "192.0.2.1"}, "bucket", "IP address"),
        (BUCKET, {"forceDestroy": "yes"}, "forceDestroy", 'expected a boolean, got "yes"'),
        (BUCKET, {"tags": {"a": 1}}, "tags.a", "expected a string, got 1"),
        (VERSIONING, {"bucket": None}, "bucket", "bucket is required and not set"),
        (VERSIONING, {"versioningConfiguration": {}}, "versioningConfiguration.status", "status is required"),
        (
            VERSIONING,
            {"versioningConfiguration": {"status": "enabled"}},
            "versioningConfiguration.status",
            "\"enabled\" is none of Enabled, Suspended, Disabled; did you mean 'Enabled'?",
        ),
        (REPLICATION, {"role": "r"}, "role", "'r' is not the ARN of a role"),
        (REPLICATION, {"rules": {}}, "rules", "expected a list, got {}"),
        (
            REPLICATION,
            {"rules": [{"status": "Enabled", "destination": {"bucket": "b", "tier": 1}}]},
            "rules[0].destination.tier",
            "unknown property 'tier'",
        ),
        (KEY, {"deletionWindowInDays": 3}, "deletionWindowInDays", "3 is not between 7 and 30"),
        (KEY, {"enableKeyRotation": False, "rotationPeriodInDays": 90}, "rotationPeriodInDays", "without enableKeyRo"),
        (KEY, {"xksKeyId": "x"}, "xksKeyId", "not carried by the sandbox: aws:kms/key:Key.xksKeyId"),
        (ALIAS, {"name": "data"}, "name", "'data' is not alias/"),
        (ALIAS, {"name": "alias/aws/s3"}, "name", "not alias/aws"),
        (ROLE, {"assumeRolePolicy": "{"}, "assumeRolePolicy", "not JSON"),
        (ROLE, {"assumeRolePolicy": "[]"}, "assumeRolePolicy", "a policy is a JSON object"),
        (ROLE, {"maxSessionDuration": 60}, "maxSessionDuration", "60 is less than the 3600"),
        (RECORD, {"records": None}, "records", "one of records or aliases; none is set"),
        (RECORD, {"weightedRoutingPolicies": [{"weight": 1}]}, "setIdentifier", "weightedRoutingPolicies needs setId"),
        (RECORD, {"type": "B"}, "type", '"B" is none of'),
        (
            RECORD,
            {"aliases": [{"name": "a", "zoneId": "Z", "evaluateTargetHealth": True}], "ttl": None},
            "records",
            "aliases and records exclude each other",
        ),
        (CHECK, {"failureThreshold": 11}, "failureThreshold", "11 is more than the 10"),
        (CHECK, {"port": 443.5}, "port", "expected a whole number, got 443.5"),
        (ALARM, {"period": 45}, "period", "45 s is not 10, 20, 30 or a multiple of 60"),
        (ALARM, {"statistic": None}, "statistic", "metricName needs statistic or extendedStatistic; none is set"),
        (ALARM, {"alarmActions": ["x"]}, "alarmActions[0]", "'x' is not an ARN"),
        (ALARM, {"treatMissingData": "bad"}, "treatMissingData", '"bad" is none of missing, ignore'),
    ],
)
def test_invalid_property_is_reported(
    connections: Connections, token: str, broken: dict[str, Any], path: str, reason: str
) -> None:
    problems = _check(connections, token, **broken)[1]
    assert problems.keys() == {path}
    assert reason in problems[path]


def test_all_problems_are_reported_at_once(connections: Connections) -> None:
    assert _check(connections, CHECK, port=0, failureThreshold=0, speed=1)[1].keys() == {
        "port",
        "failureThreshold",
        "speed",
    }


def test_unknown_value_is_accepted(connections: Connections) -> None:
    inputs, problems = _check(connections, RECORD, records=UNKNOWN, healthCheckId=UNKNOWN)
    assert problems == {}
    assert inputs["records"] == UNKNOWN
    assert _check(connections, ALARM, statistic=UNKNOWN)[1] == {}


def test_region_defaults_and_all_tags_are_filled_in(connections: Connections) -> None:
    inputs, _ = _check(connections, BUCKET, tags={"a": "b"})
    assert inputs["region"] == "us-west-2"
    assert inputs["forceDestroy"] is False
    assert inputs["tagsAll"] == {"owner": "ml", "a": "b"}


def test_global_resource_type_has_no_region(connections: Connections) -> None:
    assert "region" not in _check(connections, ROLE)[0]


def test_name_is_generated_from_the_engines_seed(connections: Connections) -> None:
    name = _check(connections, BUCKET, bucket=None)[0]["bucket"]
    assert name == _check(connections, BUCKET, bucket=None)[0]["bucket"]
    assert name != _check(connections, BUCKET, bucket=None, seed=b"other")[0]["bucket"]
    assert name.startswith("data-")
    assert len(name) == len("data-") + 7


def test_generated_name_is_kept(connections: Connections) -> None:
    before, _ = _check(connections, BUCKET, bucket=None)
    after, _ = _check(connections, BUCKET, bucket=None, seed=b"other", before=before)
    assert after["bucket"] == before["bucket"]


def test_name_is_generated_when_the_program_removes_its_name(connections: Connections) -> None:
    before, _ = _check(connections, BUCKET)
    assert _check(connections, BUCKET, bucket=None, before=before)[0]["bucket"] != "ml-data"


def test_generated_alias_has_its_prefix_and_an_object_has_the_resource_name(connections: Connections) -> None:
    assert _check(connections, ALIAS, name=None)[0]["name"].startswith("alias/data-")
    kind = CATALOG["aws:s3/bucketObjectv2:BucketObjectv2"]
    assert check(kind, "data", {"bucket": "b"}, {}, connections)[0]["key"] == "data"


def test_versioning_cannot_be_disabled_again(connections: Connections) -> None:
    before = {"versioningConfiguration": {"status": "Suspended"}}
    wanted = {"status": "Disabled"}
    problems = _check(connections, VERSIONING, versioningConfiguration=wanted, before=before)[1]
    assert "cannot be updated from 'Suspended' to 'Disabled'" in problems["versioningConfiguration.status"]


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("", "AWS_ENDPOINT_URL is not set"),
        ("https://s3.us-east-1.amazonaws.com", "is not on this machine"),
        ("http://192.0.2.1:5000", "is not on this machine"),
        ("http://127.0.0.1.example.com", "is not on this machine"),
    ],
)
def test_endpoint_outside_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch, endpoint: str, reason: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(SandboxError, match=reason):
        Connections("us-east-1")
