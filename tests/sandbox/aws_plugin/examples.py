"""One compliant example of each resource type and a change to it, with the resources it depends on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.sandbox.aws_plugin.harness import Engine, Managed

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
PUBLIC_ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
OBJECT_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ZONE = "aws:route53/zone:Zone"
HEALTH_CHECK = "aws:route53/healthCheck:HealthCheck"
RECORD = "aws:route53/record:Record"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key of an object's kind in the engine's protocol (pulumi/sdk, resource/properties.go)."""

Inputs = dict[str, Any]
TAGS = {"team": "ml", "dr:role": "primary"}


def document(action: str, resource: str = "*", **more: Any) -> str:
    statement = {"Sid": "One", "Effect": "Allow", "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _policy_of(bucket: str, action: str) -> str:
    return document(
        action, f"arn:aws:s3:::{bucket}/*", Principal="*", Condition={"Bool": {"aws:SecureTransport": True}}
    )


def _alarm(**more: Any) -> Inputs:
    return {
        "namespace": "dr",
        "metricName": "Lever",
        "dimensions": {"lever": "engage", "stack": "primary"},
        "statistic": "Maximum",
        "period": 60,
        "evaluationPeriods": 1,
        "threshold": 1,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "treatMissingData": "breaching",
        "alarmDescription": "engaged",
        **more,
    }


def _rule(status: str, role: str, target: str, key: str) -> Inputs:
    return {
        "role": role,
        "rules": [
            {
                "id": "all",
                "priority": 1,
                "status": status,
                "filter": {"prefix": "models/"},
                "deleteMarkerReplication": {"status": "Enabled"},
                "sourceSelectionCriteria": {
                    "sseKmsEncryptedObjects": {"status": "Enabled"},
                    "replicaModifications": {"status": "Enabled"},
                },
                "destination": {
                    "bucket": target,
                    "storageClass": "STANDARD",
                    "encryptionConfiguration": {"replicaKmsKeyId": key},
                    "replicationTime": {"status": "Enabled", "time": {"minutes": 15}},
                    "metrics": {"status": "Enabled", "eventThreshold": {"minutes": 15}},
                },
            }
        ],
    }


@dataclass(frozen=True)
class Example:
    """`before` creates the resource's dependencies, and returns its inputs and the changed inputs."""

    token: str
    before: Callable[[Any, str], tuple[Inputs, Inputs]]
    changed: frozenset[str]
    """Property paths in which the changed inputs differ."""
    stays: bool = False
    """Whether AWS keeps the setting in some form after its deletion."""
    imports: bool = True
    """Whether the resource can be imported."""


def _in_bucket(first: Inputs, second: Inputs, **bucket: Any) -> Callable[[Any, str], tuple[Inputs, Inputs]]:
    def before(engine: Any, name: str) -> tuple[Inputs, Inputs]:
        made = engine.make(BUCKET, name, **bucket)
        return {"bucket": made.id, **first}, {"bucket": made.id, **second}

    return before


def _bucket_policy(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    bucket = engine.make(BUCKET, name).id
    first, second = (_policy_of(bucket, action) for action in ("s3:GetObject", "s3:PutObject"))
    return {"bucket": bucket, "policy": first}, {"bucket": bucket, "policy": second}


def _replication(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    made = [engine.make(BUCKET, f"{name}-{region}", region=region) for region in ("us-east-1", "us-west-2")]
    for bucket in made:
        enabled = {"status": "Enabled"}
        region = bucket.state["region"]
        engine.make(VERSIONING, bucket.id, bucket=bucket.id, versioningConfiguration=enabled, region=region)
    role = engine.make(ROLE, name, assumeRolePolicy=trust("s3.amazonaws.com")).state["arn"]
    key = engine.make(KEY, name, region="us-west-2").state["arn"]
    first, second = (_rule(status, role, made[1].state["arn"], key) for status in ("Enabled", "Disabled"))
    return {"bucket": made[0].id, **first}, {"bucket": made[0].id, **second}


def _object(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    bucket = engine.make(BUCKET, name).id
    engine.make(VERSIONING, name, bucket=bucket, versioningConfiguration={"status": "Enabled"})
    plain = {"bucket": bucket, "key": "contract/primary.json", "contentType": "application/json", "tags": TAGS}
    return {**plain, "content": '{"a": 1}'}, {**plain, "content": '{"a": 2}'}


def archive(**files: str) -> Inputs:
    """Return an archive of texts in the engine's format."""
    assets = {
        name: {SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "text": text, "hash": str(hash(text))}
        for name, text in files.items()
    }
    return {SIGNATURE: "0def7320c3a5731c473e5ecbe6d01bc7", "assets": assets, "hash": str(sorted(files.items()))}


def _archived(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    bucket = engine.make(BUCKET, name).id
    engine.make(VERSIONING, name, bucket=bucket, versioningConfiguration={"status": "Enabled"})
    plain = {"bucket": bucket, "key": "source.zip", "contentType": "application/zip", "tags": TAGS}
    return {**plain, "source": archive(**{"a.py": "1"})}, {**plain, "source": archive(**{"a.py": "2"})}


def _alias(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first, second = (engine.make(KEY, name) for _ in range(2))
    plain = {"name": f"alias/{name}"}
    return {**plain, "targetKeyId": first.state["arn"]}, {**plain, "targetKeyId": second.state["keyId"]}


def _role_policy(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    role = engine.make(ROLE, name, assumeRolePolicy=trust("s3.amazonaws.com")).id
    first, second = (document(action) for action in ("s3:GetObject", "s3:PutObject"))
    return {"role": role, "policy": first}, {"role": role, "policy": second}


def _record(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    zone = engine.make(ZONE, name, name=f"{name}.example.com").id
    check = engine.make(HEALTH_CHECK, name, type="TCP", fqdn="serving.us-east-1.example.com", port=443).id
    plain = {"zoneId": zone, "name": "Serving", "type": "CNAME", "ttl": 60, "setIdentifier": "primary"}
    plain |= {"records": ["serving.us-east-1.example.com"], "healthCheckId": check}
    return (
        {**plain, "weightedRoutingPolicies": [{"weight": 0}]},
        {**plain, "weightedRoutingPolicies": [{"weight": 100}]},
    )


def _calculated(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    children = [
        engine.make(HEALTH_CHECK, f"{name}{port}", type="TCP", fqdn="serving.us-east-1.example.com", port=port).id
        for port in (443, 80)
    ]
    plain = {"type": "CALCULATED", "childHealthchecks": children, "tags": TAGS}
    return {**plain, "childHealthThreshold": 1}, {**plain, "childHealthThreshold": 2}


def _of_alarm(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    alarm = engine.make(ALARM, name, region="us-west-2", **_alarm()).id
    plain = {"type": "CLOUDWATCH_METRIC", "cloudwatchAlarmName": alarm, "cloudwatchAlarmRegion": "us-west-2"}
    return (
        {**plain, "insufficientDataHealthStatus": "LastKnownStatus"},
        {**plain, "insufficientDataHealthStatus": "Healthy"},
    )


def _plain(first: Inputs, second: Inputs) -> Callable[[Any, str], tuple[Inputs, Inputs]]:
    return lambda engine, name: (first, second)


def _encryption(algorithm: str) -> Inputs:
    return {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": algorithm}, "bucketKeyEnabled": True}]}


def _lifecycle(days: int) -> Inputs:
    return {
        "rules": [
            {
                "id": "old-versions",
                "status": "Enabled",
                "noncurrentVersionExpiration": {"noncurrentDays": days, "newerNoncurrentVersions": 3},
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
            },
            {
                "id": "archive",
                "status": "Enabled",
                "filter": {"prefix": "datasets/"},
                "transitions": [{"days": 90, "storageClass": "GLACIER_IR"}],
                "noncurrentVersionTransitions": [{"noncurrentDays": 30, "storageClass": "GLACIER"}],
            },
        ]
    }


def _https(threshold: int) -> Inputs:
    fqdn = "serving.us-east-1.example.com"
    endpoint = {"type": "HTTPS", "fqdn": fqdn, "port": 443, "resourcePath": "/v2/health/ready", "enableSni": True}
    return {**endpoint, "requestInterval": 10, "failureThreshold": threshold, "measureLatency": False, "tags": TAGS}


def _retention(days: int) -> Inputs:
    return {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": days}}}


_PRIVATE = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls"), True)
_OWNER, _WRITER = ({"rule": {"objectOwnership": owner}} for owner in ("BucketOwnerEnforced", "ObjectWriter"))
_ENABLED, _SUSPENDED = ({"versioningConfiguration": {"status": status}} for status in ("Enabled", "Suspended"))
_ROLE = {"assumeRolePolicy": trust("s3.amazonaws.com"), "tags": TAGS}
_KEY = {"description": "data", "enableKeyRotation": True, "deletionWindowInDays": 7, "tags": TAGS}

EXAMPLES = {
    "bucket": Example(
        BUCKET,
        _plain({"tags": TAGS}, {"tags": {"team": "ml"}}),
        frozenset({'tags["dr:role"]', 'tagsAll["dr:role"]'}),
    ),
    "versioning": Example(
        VERSIONING, _in_bucket(_ENABLED, _SUSPENDED), frozenset({"versioningConfiguration.status"}), stays=True
    ),
    "encryption": Example(
        ENCRYPTION, _in_bucket(_encryption("aws:kms"), _encryption("AES256")), frozenset({"rules"}), stays=True
    ),
    "public-access": Example(
        PUBLIC_ACCESS,
        _in_bucket(_PRIVATE, {**_PRIVATE, "restrictPublicBuckets": True}),
        frozenset({"restrictPublicBuckets"}),
    ),
    "ownership": Example(OWNERSHIP, _in_bucket(_OWNER, _WRITER), frozenset({"rule.objectOwnership"})),
    "policy": Example(POLICY, _bucket_policy, frozenset({"policy"})),
    "lifecycle": Example(
        LIFECYCLE,
        _in_bucket(_lifecycle(30), _lifecycle(60)),
        frozenset({"rules[0].noncurrentVersionExpiration.noncurrentDays"}),
    ),
    "replication": Example(REPLICATION, _replication, frozenset({"rules[0].status"})),
    "object-lock": Example(
        OBJECT_LOCK,
        _in_bucket(_retention(1), _retention(2), objectLockEnabled=True),
        frozenset({"rule.defaultRetention.days"}),
        stays=True,
    ),
    "object": Example(OBJECT, _object, frozenset({"content"})),
    "archived-object": Example(OBJECT, _archived, frozenset({"source"})),
    "key": Example(KEY, _plain(_KEY, {**_KEY, "description": "models"}), frozenset({"description"})),
    "alias": Example(ALIAS, _alias, frozenset({"targetKeyId"})),
    "role": Example(
        ROLE,
        _plain(_ROLE, {**_ROLE, "assumeRolePolicy": trust("lambda.amazonaws.com"), "description": "copies"}),
        frozenset({"assumeRolePolicy", "description"}),
    ),
    "role-policy": Example(ROLE_POLICY, _role_policy, frozenset({"policy"})),
    "zone": Example(
        ZONE,
        _plain({"name": "a.example.com", "tags": TAGS}, {"name": "a.example.com", "comment": "dr", "tags": TAGS}),
        frozenset({"comment"}),
    ),
    "https": Example(HEALTH_CHECK, _plain(_https(3), _https(2)), frozenset({"failureThreshold"})),
    "calculated": Example(HEALTH_CHECK, _calculated, frozenset({"childHealthThreshold"})),
    "of-alarm": Example(HEALTH_CHECK, _of_alarm, frozenset({"insufficientDataHealthStatus"})),
    "record": Example(RECORD, _record, frozenset({"weightedRoutingPolicies[0].weight"})),
    "alarm": Example(ALARM, _plain(_alarm(tags=TAGS), _alarm(tags=TAGS, threshold=0.5)), frozenset({"threshold"})),
}

from tests.sandbox.aws_plugin.examples_ec2 import EXAMPLES_EC2  # noqa: E402  it takes `Example` from here

EXAMPLES |= EXAMPLES_EC2

from tests.sandbox.aws_plugin.examples_backup import EXAMPLES_BACKUP  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_BACKUP

from tests.sandbox.aws_plugin.examples_events import EXAMPLES_EVENTS  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_EVENTS

from tests.sandbox.aws_plugin.examples_ecr import EXAMPLES_ECR  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_ECR

from tests.sandbox.aws_plugin.examples_eks import EXAMPLES_EKS  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_EKS

from tests.sandbox.aws_plugin.examples_elbv2 import EXAMPLES_ELBV2  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_ELBV2

from tests.sandbox.aws_plugin.examples_monitoring import EXAMPLES_WATCHING  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_WATCHING

from tests.sandbox.aws_plugin.examples_fleet import EXAMPLES_FLEET  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_FLEET


def make(engine: Engine, example: str, name: str, **changes: Any) -> Managed:
    """Create the resource of an example, with changed inputs, and what it depends on."""
    inputs, _ = EXAMPLES[example].before(engine, name)
    return engine.make(EXAMPLES[example].token, name, **{**inputs, **changes})


from tests.sandbox.aws_plugin.examples_rds import EXAMPLES_RDS  # noqa: E402  likewise

EXAMPLES |= EXAMPLES_RDS
