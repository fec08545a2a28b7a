"""Changes outside Pulumi are found and reverted; existing resources are imported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.aws_plugin.plugin import from_struct
from tests.sandbox.aws_plugin.examples import ALARM, BUCKET, EXAMPLES, HEALTH_CHECK, KEY, ROLE, ZONE, document
from tests.sandbox.aws_plugin.harness import Engine, Managed


def _lose_tags(engine: Engine, made: Managed) -> None:
    engine.client("s3").put_bucket_tagging(Bucket=made.id, Tagging={"TagSet": [{"Key": "team", "Value": "x"}]})


def _suspend(engine: Engine, made: Managed) -> None:
    engine.client("s3").put_bucket_versioning(Bucket=made.id, VersioningConfiguration={"Status": "Suspended"})


def _open_up(engine: Engine, made: Managed) -> None:
    open_to_all = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls"), False)
    engine.client("s3").put_public_access_block(Bucket=made.id, PublicAccessBlockConfiguration=open_to_all)


def _widen(engine: Engine, made: Managed) -> None:
    role, name = made.id.split(":")
    engine.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document("s3:*"))


def _describe(engine: Engine, made: Managed) -> None:
    engine.client("iam").update_role(RoleName=made.id, Description="changed by hand")


def _stop_rotation(engine: Engine, made: Managed) -> None:
    engine.client("kms").disable_key_rotation(KeyId=made.id)


def _disable(engine: Engine, made: Managed) -> None:
    engine.client("route53").update_health_check(HealthCheckId=made.id, Disabled=True)


def _shorten(engine: Engine, made: Managed) -> None:
    client = engine.client("s3")
    rules = client.get_bucket_lifecycle_configuration(Bucket=made.id)["Rules"][:1]
    client.put_bucket_lifecycle_configuration(Bucket=made.id, LifecycleConfiguration={"Rules": rules})


def _silence(engine: Engine, made: Managed) -> None:
    client = engine.client("cloudwatch")
    alarm = client.describe_alarms(AlarmNames=[made.id])["MetricAlarms"][0]
    kept = (
        *("AlarmName", "Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator"),
        *("Dimensions", "Threshold", "AlarmDescription"),
    )
    client.put_metric_alarm(**{name: alarm[name] for name in kept}, TreatMissingData="notBreaching")


@pytest.mark.parametrize(
    ("example", "change", "paths"),
    [
        ("bucket", _lose_tags, {"tags.team", 'tags["dr:role"]', "tagsAll.team", 'tagsAll["dr:role"]'}),
        ("versioning", _suspend, {"versioningConfiguration.status"}),
        ("public-access", _open_up, {"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls"}),
        ("role-policy", _widen, {"policy"}),
        ("role", _describe, {"description"}),
        ("key", _stop_rotation, {"enableKeyRotation"}),
        ("https", _disable, {"disabled"}),
        ("lifecycle", _shorten, {"rules[1]"}),
        ("alarm", _silence, {"treatMissingData"}),
    ],
)
def test_refresh_finds_a_change_outside_pulumi_and_an_update_reverts_it(
    engine: Engine, example: str, change: Callable[[Engine, Managed], None], paths: set[str]
) -> None:
    inputs, _ = EXAMPLES[example].before(engine, f"drift-{example}")
    made = engine.make(EXAMPLES[example].token, f"drift-{example}", **inputs)
    before = made.state
    change(engine, made)
    assert made.refresh()
    assert made.state != before
    assert made.changes(**inputs).keys() == paths
    made.update(**inputs)
    assert made.changes(**inputs) == {}
    assert {name: value for name, value in made.state.items() if value} == {
        name: value for name, value in before.items() if value
    }


def test_refresh_finds_a_deleted_resource(engine: Engine) -> None:
    made = engine.make(BUCKET, "gone")
    engine.client("s3").delete_bucket(Bucket=made.id)
    assert not made.refresh()


def test_import_returns_the_inputs(engine: Engine) -> None:
    inputs, _ = EXAMPLES["https"].before(engine, "imported")
    made = engine.make(HEALTH_CHECK, "imported", **inputs)
    found = from_struct(engine.read(HEALTH_CHECK, made.id).inputs)
    # Settings that default to false are omitted from the imported inputs.
    assert {name: value for name, value in inputs.items() if value} == {
        name: found[name] for name in inputs if name in found
    }


def test_a_bucket_of_another_region_is_imported_by_name_and_region(engine: Engine) -> None:
    made = engine.make(BUCKET, "elsewhere", region="us-west-2")
    state = from_struct(engine.read(BUCKET, f"{made.id}@us-west-2").properties)
    assert (state["bucket"], state["region"], state["bucketRegion"]) == (made.id, "us-west-2", "us-west-2")


@pytest.mark.parametrize(
    ("token", "id"), [(BUCKET, "no-such-bucket"), (KEY, "0" * 36), (ZONE, "Z0"), (ROLE, "none"), (ALARM, "none")]
)
def test_read_of_a_missing_resource_finds_nothing(engine: Engine, token: str, id: str) -> None:
    assert engine.read(token, id).id == ""
