"""Alarms, each driven to ALARM by its cause: the emulator and the prober's own code publish the metrics."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pulumi
import pytest
import trustme

from components.iam import document, trust_service
from components.monitoring.alarm_rules import (
    CERTIFICATE_DAYS,
    DATABASE_LAG,
    AlarmRule,
    certificate_expiring,
    copies_name,
    database_late,
    dead_letters,
    function_failing,
    heartbeat_failing,
    recovery_region_rules,
    replication,
)
from components.monitoring.dead_letters import send_to
from components.monitoring.function_code import archive_of, handler_of
from components.traffic.route53_failover import lever_for
from dr.control import incident_state, levers
from dr.control.incident_state import IncidentState, Levers
from dr.functions import prober, republisher
from dr.names import SENTINEL_KEY, SERVING_KEY
from dr.topology.backups import Backups, DataClass, always_copied
from dr.topology.topology import DnsFailover, Role
from sandbox.server import Running
from tests.integration.alarms.test_alarm_rules import FUNCTIONS, make
from tests.support.aurora import READER, Database
from tests.support.buckets import PRIMARY, RECOVERY, Pair, configuration, make_bucket
from tests.support.waiting import wait_for

Control = Callable[..., Any]
CONTROL, VAULT = "control-recovery", "copies"
OBJECTIVES = {data: Backups(data, every_hours=1).rpo for data in DataClass}
SETTINGS = {
    "AWS_REGION": RECOVERY,
    "WORKLOAD": "ml-dr",
    "CONTROL_BUCKET": CONTROL,
    "COPIES_VAULT": VAULT,
    "COPIED_CLASSES": "objects databases",
    "PRIMARY_REGION": PRIMARY,
    "PRIMARY_TARGET": "https://inference-primary.ml.example.com/v2/models/digits/ready",
    "RECOVERY_TARGET": "https://inference-dr.ml.example.com/v2/models/digits/ready",
}


class Region:
    """The recovery region: its alarms, and a prober that runs when the clock is advanced."""

    def __init__(self, aws: Running, control: Control) -> None:
        self.aws, self._control = aws, control
        self._metrics = aws.client("cloudwatch", RECOVERY)

    def now(self) -> datetime:
        """Return the time of the sandbox's clock."""
        return datetime.fromisoformat(self._control("GET", "clock")["now"])

    def pass_minutes(self, minutes: int) -> set[str]:
        """Run the prober every minute, and return the firing alarms."""
        for _ in range(minutes):
            prober.sample(SETTINGS, self.now(), with_copies=True)
            self._control("POST", "clock", {"advance": 60})
        return self.firing()

    def wait(self, time: timedelta) -> None:
        """Advance the clock without runs of the prober."""
        self._control("POST", "clock", {"advance": time.total_seconds()})

    def firing(self, region: str = RECOVERY) -> set[str]:
        """Return the names of the firing alarms."""
        found = self.aws.client("cloudwatch", region).describe_alarms()["MetricAlarms"]
        return {each["AlarmName"].removeprefix("ml-dr-") for each in found if each["StateValue"] == "ALARM"}

    def fault(self, **fault: Any) -> None:
        """Break something."""
        self._control("POST", "faults", fault)

    def repair(self) -> None:
        """End all faults."""
        self._control("DELETE", "faults")

    def beat(self) -> None:
        """Write a sentinel, as it is replicated."""
        written = json.dumps({"written": self.now().isoformat()})
        self.aws.client("s3", RECOVERY).put_object(Bucket=CONTROL, Key=SENTINEL_KEY, Body=written)


@pytest.fixture
def region(aws: Running, control: Control, monkeypatch: pytest.MonkeyPatch) -> Region:
    """The recovery region with its alarms after ten minutes of normal operation."""
    through = {"HTTPS_PROXY": aws.endpoint, "NO_PROXY": "127.0.0.1", "SSL_CERT_FILE": str(aws.authority.file)}
    for name, value in through.items():
        monkeypatch.setenv(name, value)
    make_bucket(aws.client("s3", RECOVERY), CONTROL)
    aws.client("backup", RECOVERY).create_backup_vault(BackupVaultName=VAULT)
    for rule in recovery_region_rules("ml-dr", PRIMARY, RECOVERY, FUNCTIONS, OBJECTIVES, always_copied(database=True)):
        # These witnesses and functions have tests with the whole deployment.
        if not rule.name.endswith("-failing") and rule.name not in ("primary-silent", "sentinel-stale"):
            make(aws.client("cloudwatch", RECOVERY), rule)
    made = Region(aws, control)
    publish(aws)
    made.beat()
    assert made.pass_minutes(6) == set()
    return made


def publish(aws: Running) -> None:
    """Publish the DNS names of both endpoints, which then answer while their region is reachable."""
    route53 = aws.client("route53", PRIMARY)
    zone = route53.create_hosted_zone(Name="ml.example.com", CallerReference="one")["HostedZone"]["Id"]
    for name, of in (("primary", PRIMARY), ("dr", RECOVERY)):
        target = [{"Value": f"ml-dr-1.elb.{of}.amazonaws.com"}]
        record = {"Name": f"inference-{name}.ml.example.com", "Type": "CNAME", "TTL": 60, "ResourceRecords": target}
        changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)


def test_endpoint_of_the_recovery_region_that_is_to_serve_and_does_not_answer_raises_recovery_down(
    region: Region, control: Control
) -> None:
    serves = json.dumps({"serves": True})
    region.aws.client("s3", RECOVERY).put_object(Bucket=CONTROL, Key=SERVING_KEY, Body=serves)
    assert region.pass_minutes(4) == set()
    control("POST", "endpoints", {"host": f"ml-dr-1.elb.{RECOVERY}.amazonaws.com", "healthy": False})

    assert region.pass_minutes(4) == {"recovery-down"}


def test_control_bucket_that_the_prober_may_not_read_raises_unmeasured(region: Region) -> None:
    region.fault(kind="operation", operation="s3:GetObject", error="AccessDenied", region=RECOVERY)

    assert region.pass_minutes(6) == {"unmeasured"}
    region.repair()
    region.beat()
    assert region.pass_minutes(6) == set()


def back_up(region: Region, data: DataClass) -> None:
    """Put a recovery point of a class of data into the vault of copies, as a copy job does."""
    from moto.backup.models import backup_backends

    from sandbox.aws.behaviours import recovery_points

    kinds = {
        DataClass.OBJECTS: ("arn:aws:s3:::models", "S3"),
        DataClass.VOLUMES: ("arn:aws:ec2:us-east-1:123456789012:volume/vol-1", "EBS"),
        DataClass.FILES: ("arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-1", "EFS"),
        DataClass.DATABASES: ("arn:aws:rds:us-east-1:123456789012:cluster:registry", "Aurora"),
    }
    arn, kind = kinds[data]
    vault = backup_backends["123456789012"][RECOVERY].vaults[VAULT]
    recovery_points.points(vault).append(
        {
            "RecoveryPointArn": f"arn:aws:backup:{RECOVERY}:123456789012:recovery-point:{data}-{region.now()}",
            "BackupVaultName": VAULT,
            "BackupVaultArn": str(vault.backup_vault_arn),
            "ResourceArn": arn,
            "ResourceType": kind,
            "CreationDate": region.now(),
            "Status": "COMPLETED",
        }
    )


@pytest.mark.parametrize("data", DataClass)
def test_class_of_data_of_which_no_copy_arrives_for_longer_than_its_objective_raises_copies_late(
    region: Region, data: DataClass
) -> None:
    others = [each for each in DataClass if each is not data]
    for each in DataClass:
        back_up(region, each)
    assert region.pass_minutes(6) == set()
    region.wait(OBJECTIVES[data])
    for each in others:
        back_up(region, each)
    region.beat()

    assert region.pass_minutes(6) == {copies_name(data)}
    back_up(region, data)
    assert region.pass_minutes(10) == set()


@pytest.mark.parametrize("data", always_copied(database=True))
def test_class_that_has_to_be_copied_and_of_which_no_copy_ever_arrived_raises_copies_late(
    region: Region, data: DataClass
) -> None:
    region.wait(max(OBJECTIVES.values()))
    for each in always_copied(database=True):
        if each is not data:
            back_up(region, each)
    region.beat()

    assert region.pass_minutes(6) == {copies_name(data)}
    back_up(region, data)
    assert region.pass_minutes(10) == set()


def test_class_of_data_without_any_copy_is_unknown_and_not_late(region: Region) -> None:
    region.wait(timedelta(hours=3))
    back_up(region, DataClass.OBJECTS)
    back_up(region, DataClass.DATABASES)
    region.beat()
    assert region.pass_minutes(6) == set()
    found = region.aws.client("cloudwatch", RECOVERY).describe_alarms(AlarmNames=["ml-dr-copies-late-volumes"])

    assert [each["StateValue"] for each in found["MetricAlarms"]] == ["INSUFFICIENT_DATA"]


def test_database_that_falls_behind_for_longer_than_its_objective_raises_database_late(region: Region) -> None:
    Database(region.aws).pair()
    make(region.aws.client("cloudwatch", RECOVERY), database_late(READER, PRIMARY, RECOVERY))
    assert minutes(region, 4) == set()
    region.fault(kind="database", region=RECOVERY, lag=DATABASE_LAG.total_seconds() + 60)

    assert minutes(region, 4) == {"database-late"}
    region.repair()
    assert minutes(region, 4) == set()


def test_certificate_that_is_not_renewed_raises_certificate_expiring(region: Region) -> None:
    acm, authority = region.aws.client("acm", RECOVERY), trustme.CA()

    def issued(days: int) -> dict[str, bytes]:
        made = authority.issue_cert("inference-dr.ml.example.com", not_after=region.now() + timedelta(days=days))
        return {"Certificate": made.cert_chain_pems[0].bytes(), "PrivateKey": made.private_key_pem.bytes()}

    arn = acm.import_certificate(**issued(CERTIFICATE_DAYS + 1))["CertificateArn"]
    make(region.aws.client("cloudwatch", RECOVERY), certificate_expiring(arn))
    assert minutes(region, 2) == set()
    acm.import_certificate(CertificateArn=arn, **issued(CERTIFICATE_DAYS))
    region.wait(timedelta(days=1))

    assert "certificate-expiring" in minutes(region, 2)
    acm.import_certificate(CertificateArn=arn, **issued(2 * CERTIFICATE_DAYS))
    assert "certificate-expiring" not in minutes(region, 2)


def minutes(region: Region, count: int) -> set[str]:
    """Let minutes pass, in which objects are replicated, and return the firing alarms."""
    for _ in range(count):
        region.beat()
        region.pass_minutes(1)
    return region.firing()


def test_recovery_record_that_no_operator_opened_raises_lever_admit(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**SETTINGS, "DNS_FAILOVER": "manual"}.items():
        monkeypatch.setenv(name, value)
    lever = lever_for(Role.RECOVERY, DnsFailover.MANUAL)
    region.aws.client("cloudwatch", RECOVERY).put_metric_alarm(
        AlarmName="ml-dr-lever-admit",
        Namespace=levers.NAMESPACE,
        MetricName=levers.METRIC,
        Dimensions=[{"Name": "Lever", "Value": lever.name}, {"Name": "Workload", "Value": "ml-dr"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator=lever.comparison,
    )
    republisher.handler({}, None)
    assert region.pass_minutes(1) == {"lever-admit"}
    opened = IncidentState(Levers(engaged=False, admitted=True)).to_json()
    region.aws.client("s3", RECOVERY).put_object(Bucket=CONTROL, Key=incident_state.KEY, Body=opened)
    republisher.handler({}, None)

    assert region.pass_minutes(1) == set()


# Functions, each with its own code ------------------------------------------------------------------------------


def deploy(aws: Running, function: str, region: str, variables: dict[str, str]) -> None:
    """Create a function with the program's archive, a schedule that runs it every minute, and its dead-letter queue."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for path, asset in archive_of(function).assets.items():
            assert isinstance(asset, pulumi.StringAsset)
            file.writestr(path, asset.text)
    iam, roles = aws.client("iam", PRIMARY), {}
    queue = aws.client("sqs", region).create_queue(QueueName="ml-dr-dead-letters")["QueueUrl"]
    arn = f"arn:aws:sqs:{region}:123456789012:ml-dr-dead-letters"
    assert queue.endswith("/ml-dr-dead-letters")
    for service in ("lambda", "scheduler"):
        trust = trust_service(f"{service}.amazonaws.com")
        roles[service] = iam.create_role(RoleName=service, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName=service, PolicyName="letters", PolicyDocument=document([send_to(arn)]))
    functions = aws.client("lambda", region)
    made = functions.create_function(
        FunctionName=function,
        Role=roles["lambda"],
        Runtime="python3.13",
        Handler=handler_of(function),
        Code={"ZipFile": archive.getvalue()},
        Timeout=115,
        Environment={"Variables": variables},
    )
    functions.put_function_event_invoke_config(
        FunctionName=function, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    aws.client("scheduler", region).create_schedule(
        Name=function,
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": made["FunctionArn"], "RoleArn": roles["scheduler"], "Input": "{}"},
    )


AUTOMATED = {"PROJECT": "ml-dr-automation", "AUTOMATION": "automatic", "TIER": "warm"}
FUNCTION_CAUSES = {
    "heartbeat": (PRIMARY, heartbeat_failing("heartbeat"), "s3:PutObject"),
    "prober": (RECOVERY, function_failing("prober", "", "prober"), "cloudwatch:PutMetricData"),
    "republisher": (RECOVERY, function_failing("levers", "", "republisher"), "cloudwatch:PutMetricData"),
    "failover_trigger": (RECOVERY, function_failing("automation", "", "failover_trigger"), "cloudwatch:DescribeAlarms"),
}
"""Region of each function, the alarm on it, and the call that AWS refuses it."""


@pytest.mark.parametrize("function", FUNCTION_CAUSES)
def test_function_that_aws_refuses_a_call_raises_its_alarm_and_leaves_its_events_in_the_dead_letter_queue(
    aws: Running, control: Control, function: str
) -> None:
    here, rule, operation = FUNCTION_CAUSES[function]
    variables = {name: value for name, value in SETTINGS.items() if name != "AWS_REGION"}
    deploy(aws, function, here, {**variables, **AUTOMATED, "DNS_FAILOVER": "automatic"})
    make_bucket(aws.client("s3", here), CONTROL)
    metrics, region = aws.client("cloudwatch", here), Region(aws, control)
    for each in (rule, dead_letters("ml-dr-dead-letters")):
        make(metrics, each)
    for lever in ("primary-down", "primary-silent", "sentinel-stale"):
        make(metrics, replace(rule, name=lever, metric="None", missing="missing"))
    region.wait(timedelta(minutes=6))
    assert region.firing(here) == set()
    region.fault(kind="operation", operation=operation, error="AccessDenied", region=here)
    region.wait(timedelta(minutes=10))
    region.repair()

    assert region.firing(here) == {rule.name, "dead-letters"}


# Replication, in the region of the source ------------------------------------------------------------------------


@pytest.fixture
def pair(aws: Running) -> Pair:
    """Two buckets, replicated with metrics, and the alarms on that."""
    made = Pair(aws.client("s3", PRIMARY), aws.client("s3", RECOVERY))
    for client, name in zip((made.source, made.replica), made.names, strict=True):
        make_bucket(client, name)
    destination = {
        "Bucket": f"arn:aws:s3:::{made.names[1]}",
        "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
        "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
    }
    made.source.put_bucket_replication(
        Bucket=made.names[0], ReplicationConfiguration=configuration(made.rule(Destination=destination))
    )
    for rule in of_pair(made):
        make(aws.client("cloudwatch", PRIMARY), rule)
    return made


def of_pair(pair: Pair) -> list[AlarmRule]:
    """Return the alarms of the pair; 50 GiB would take hours, so that of waiting bytes is 100."""
    rules = replication("data", *pair.names, "everything")
    return [replace(rule, threshold=100) if rule.name.endswith("pending") else rule for rule in rules]


def test_objects_that_wait_for_a_region_that_does_not_answer_raise_replication_late_and_pending(
    aws: Running, control: Control, pair: Pair
) -> None:
    region = Region(aws, control)
    region.fault(kind="region", region=RECOVERY, unreachable=True)
    pair.source.put_object(Bucket=pair.names[0], Key="train.csv", Body=b"x" * 101)
    region.wait(timedelta(minutes=5))
    assert region.firing(PRIMARY) == {"data-replication-pending"}
    region.wait(timedelta(minutes=15))
    assert region.firing(PRIMARY) == {"data-replication-pending", "data-replication-late"}
    region.repair()
    wait_for(lambda: pair.replica.list_objects_v2(Bucket=pair.names[1])["KeyCount"] == 1)
    region.wait(timedelta(minutes=10))

    assert region.firing(PRIMARY) == set()


def test_object_that_s3_cannot_replicate_raises_replication_failed(aws: Running, control: Control, pair: Pair) -> None:
    region = Region(aws, control)
    pair.replica.put_bucket_versioning(Bucket=pair.names[1], VersioningConfiguration={"Status": "Suspended"})
    pair.source.put_object(Bucket=pair.names[0], Key="train.csv", Body=b"x")

    def status() -> str:
        return str(pair.source.head_object(Bucket=pair.names[0], Key="train.csv").get("ReplicationStatus"))

    wait_for(lambda: status() == "FAILED")
    region.wait(timedelta(minutes=1))

    assert region.firing(PRIMARY) == {"data-replication-failed"}
