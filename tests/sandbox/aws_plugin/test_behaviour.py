"""Behaviour beyond create, update and delete: names, failures, faults and replacement."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from botocore.exceptions import ClientError
from pulumi.runtime.proto import provider_pb2, status_pb2

from sandbox.aws_plugin import resource
from sandbox.aws_plugin.plugin import from_struct, to_struct
from tests.sandbox.aws_plugin.examples import (
    BUCKET,
    EXAMPLES,
    KEY,
    LIFECYCLE,
    OBJECT,
    RECORD,
    REPLICATION,
    ROLE,
    ROLE_POLICY,
    VERSIONING,
    ZONE,
    archive,
    document,
    trust,
)
from tests.sandbox.aws_plugin.examples_monitoring import FUNCTION, INVOCATION, function
from tests.sandbox.aws_plugin.harness import Engine, Managed, urn


@pytest.fixture(autouse=True)
def _healed(engine: Engine) -> Iterator[None]:
    yield
    engine.heal()


def _error(attempt: Callable[[], Any]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        attempt()
    return caught.value


# Names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "code"), [("us-east-1", "BucketAlreadyExists"), ("us-west-2", "BucketAlreadyOwned")]
)
def test_taken_bucket_name_is_reported(engine: Engine, region: str, code: str) -> None:
    name = engine.make(BUCKET, "taken", region=region).id
    error = _error(lambda: engine.make(BUCKET, "second", bucket=name, region=region))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert f"the bucket name '{name}' is taken" in error.details()
    assert code in error.details()
    assert "creating aws:s3/bucket:Bucket 'second'" in error.details()


def test_unsupported_type_is_reported(engine: Engine) -> None:
    error = _error(lambda: engine.check("aws:ecs/cluster:Cluster", "c", {}))
    assert "not carried by the sandbox: resource type aws:ecs/cluster:Cluster" in error.details()


def test_unsupported_function_is_reported(engine: Engine) -> None:
    token = "aws:ec2/getAmi:getAmi"
    error = _error(lambda: engine.stub.Invoke(provider_pb2.InvokeRequest(tok=token)))
    assert f"not carried by the sandbox: function {token}" in error.details()


def test_get_caller_identity_returns_the_sandbox_account(engine: Engine) -> None:
    token = "aws:index/getCallerIdentity:getCallerIdentity"
    answer = engine.stub.Invoke(provider_pb2.InvokeRequest(tok=token))
    assert from_struct(getattr(answer, "return"))["accountId"] == "123456789012"


# Invocations ---------------------------------------------------------------------------------------------------


def test_invocation_keeps_the_functions_answer_and_a_new_input_invokes_it_again(engine: Engine) -> None:
    invoked = engine.make(FUNCTION, "asked", **function(engine, "asked")).id
    made = engine.make(INVOCATION, "asked-once", functionName=invoked, input='{"number": 7}')

    assert made.state["result"] == '{"number": 7}'
    assert list(made.diff(functionName=invoked, input='{"number": 8}').replaces) == ["input"]


def test_invocation_of_a_function_that_fails_reports_the_functions_error(engine: Engine) -> None:
    code = archive(**{"main.py": "def handler(event, context):\n    raise ValueError('no room here')\n"})
    invoked = engine.make(FUNCTION, "failing", **{**function(engine, "failing"), "code": code}).id
    error = _error(lambda: engine.make(INVOCATION, "failing-once", functionName=invoked, input="{}"))

    assert f"invoking Lambda Function ({invoked}): " in error.details()
    assert "no room here" in error.details()


# Replacement and updates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_changed_region_replaces_the_resource(engine: Engine, named: bool) -> None:
    inputs = {"bucket": "moving-bucket"} if named else {}
    made = engine.make(BUCKET, "moving", **inputs)
    answer = made.diff(**inputs, region="us-west-2")
    assert list(answer.replaces) == ["region"]
    assert answer.detailedDiff["region"].kind == provider_pb2.PropertyDiff.UPDATE_REPLACE
    assert answer.deleteBeforeReplace is named


def test_property_without_an_aws_setting_sends_no_change(engine: Engine) -> None:
    made = engine.make(BUCKET, "switch", tags={"a": "b"})
    since = engine.calls()["next"]
    made.update(tags={"a": "b"}, forceDestroy=True)
    assert made.state["forceDestroy"] is True
    operations = {call["operation"] for call in engine.calls(since)["calls"]}
    assert all(re.match(r"Head|Get", operation) for operation in operations)


def test_update_sends_only_changed_properties(engine: Engine) -> None:
    inputs, _ = EXAMPLES["role"].before(engine, "careful")
    made = engine.make(ROLE, "careful", **inputs)
    since = engine.calls()["next"]
    made.update(**inputs, description="new")
    sent = {call["operation"] for call in engine.calls(since)["calls"]}
    assert {operation for operation in sent if not re.match(r"Get|List", operation)} == {"UpdateRole"}


def test_default_tags_are_only_in_tags_all(engine: Engine) -> None:
    settings = {"region": "us-east-1", "defaultTags": json.dumps({"tags": {"owner": "ml"}})}
    engine.stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(settings)))
    try:
        made = engine.make(BUCKET, "tagged", tags={"a": "b"})
        assert made.state["tags"] == {"a": "b"}
        assert made.state["tagsAll"] == {"a": "b", "owner": "ml"}
        made.update(tags={})
        assert made.changes(tags={}) == {}
        assert made.state["tagsAll"] == {"owner": "ml"}
    finally:
        engine.stub.Configure(provider_pb2.ConfigureRequest(args=to_struct({"region": "us-east-1"})))


def test_changed_content_keeps_the_tags_of_an_object(engine: Engine) -> None:
    first, second = EXAMPLES["object"].before(engine, "content")
    made = engine.make(OBJECT, "content", **first)
    version = made.state["versionId"]
    assert made.update(preview=True, **second)["versionId"] != version
    made.update(**second)
    assert made.state["versionId"] != version
    bucket, key = made.id.split("/", 1)
    client = engine.client("s3")
    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == second["content"].encode()
    assert len(client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]) == len(second["tags"])


def test_changed_record_type_is_one_change_batch(engine: Engine) -> None:
    zone = engine.make(ZONE, "types", name="types.example.com").id
    record = {"zoneId": zone, "name": "x", "ttl": 60}
    made = engine.make(RECORD, "types", **record, type="A", records=["192.0.2.1"])
    changed: dict[str, Any] = {**record, "type": "TXT", "records": ["hello"]}
    assert set(made.changes(**changed)) == {"type", "records"}
    made.update(**changed)
    assert made.changes(**changed) == {}
    records = engine.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [one["Type"] for one in records if one["Name"] == "x.types.example.com."] == ["TXT"]


def test_existing_record_is_overwritten_only_with_allow_overwrite(engine: Engine) -> None:
    zone = engine.make(ZONE, "existing", name="existing.example.com").id
    record = {"zoneId": zone, "name": "x", "ttl": 60, "type": "A", "records": ["192.0.2.1"]}
    engine.make(RECORD, "first", **record)
    assert "InvalidChangeBatch" in _error(lambda: engine.make(RECORD, "second", **record)).details()
    assert engine.make(RECORD, "third", **record, allowOverwrite=True).id


# Deletion ----------------------------------------------------------------------------------------------------------


def test_bucket_with_objects_is_deleted_only_with_force_destroy(engine: Engine) -> None:
    made = engine.make(BUCKET, "full")
    engine.make(VERSIONING, "full", bucket=made.id, versioningConfiguration={"status": "Enabled"})
    client = engine.client("s3")
    for _ in range(2):
        client.put_object(Bucket=made.id, Key="a", Body=b"x")
    client.delete_object(Bucket=made.id, Key="a")
    assert "BucketNotEmpty" in _error(made.delete).details()
    made.update(forceDestroy=True)
    made.delete()
    assert not made.refresh()


def test_key_pending_deletion_counts_as_deleted(engine: Engine) -> None:
    made = engine.make(KEY, "waiting", deletionWindowInDays=7)
    made.delete()
    assert engine.client("kms").describe_key(KeyId=made.id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert not made.refresh()


def test_zone_with_records_is_deleted_only_with_force_destroy(engine: Engine) -> None:
    made = engine.make(ZONE, "left", name="left.example.com")
    engine.make(RECORD, "left", zoneId=made.id, name="x", ttl=60, type="A", records=["192.0.2.1"])
    assert "HostedZoneNotEmpty" in _error(made.delete).details()
    made.update(name="left.example.com", forceDestroy=True)
    made.delete()
    assert not made.refresh()


# Failures and faults ---------------------------------------------------------------------------------------------


def test_partly_failed_creation_is_kept_and_completed(engine: Engine) -> None:
    engine.fault(kind="operation", operation="s3:PutBucketTagging", error="AccessDenied", times=1)
    inputs: dict[str, Any] = {"bucket": "half-way", "tags": {"a": "b"}}
    error = _error(lambda: engine.make(BUCKET, "half", **inputs))
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(detail)
    assert detail.id == "half-way"
    assert "s3:PutBucketTagging in us-east-1: AccessDenied" in detail.reasons[0]

    made = Managed(engine, BUCKET, "half", detail.id, state=from_struct(detail.properties))
    assert made.changes(**inputs).keys() == {"tags.a", "tagsAll.a"}
    made.update(**inputs)
    assert made.state["tags"] == {"a": "b"}


def test_failed_creation_leaves_no_resource(engine: Engine) -> None:
    engine.fault(kind="operation", operation="iam:CreateRole", error="AccessDenied", times=1)
    make = lambda: engine.make(ROLE, "nothing", assumeRolePolicy=trust("s3.amazonaws.com"))  # noqa: E731
    error = _error(make)
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "creating aws:iam/role:Role 'nothing': iam:CreateRole in us-east-1: AccessDenied" in error.details()
    assert make().id


def test_transient_error_is_retried(engine: Engine) -> None:
    engine.fault(kind="operation", operation="s3:CreateBucket", error="SlowDown", times=2)
    assert engine.make(BUCKET, "patient").id


def test_unreachable_region_is_reported_and_other_regions_work(engine: Engine) -> None:
    engine.fault(kind="region", region="us-west-2", unreachable=True)
    error = _error(lambda: engine.make(KEY, "dead", region="us-west-2"))
    assert "us-west-2 cannot be reached (AWS_ENDPOINT_URL http://127.0.0.1:" in error.details()
    assert engine.make(KEY, "alive", region="us-east-1").id


def test_a_rule_to_an_unversioned_bucket_is_refused_by_aws(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "RETRY_FOR_SECONDS", 0.5)
    inputs, _ = EXAMPLES["replication"].before(engine, "refused")
    target = engine.make(BUCKET, "unversioned").state["arn"]
    inputs["rules"][0]["destination"]["bucket"] = target
    error = _error(lambda: engine.make(REPLICATION, "refused", **inputs))
    assert "s3:PutBucketReplication in us-east-1: InvalidRequest" in error.details()


def test_bucket_setting_is_retried_until_its_bucket_exists(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    client = engine.client("s3")

    def sleep(_: float) -> None:
        waited.append(client.create_bucket(Bucket="late-bucket"))

    monkeypatch.setattr("sandbox.aws_plugin.resource.time.sleep", sleep)
    rules = {"rules": [{"id": "a", "status": "Enabled", "expiration": {"days": 1}}]}
    assert engine.make(LIFECYCLE, "late", bucket="late-bucket", **rules).id == "late-bucket"
    assert len(waited) == 1


def test_role_deletion_is_retried_until_its_policies_are_deleted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = engine.make(ROLE, "busy", assumeRolePolicy=trust("s3.amazonaws.com"))
    policy = engine.make(ROLE_POLICY, "busy", role=role.id, policy=document("s3:GetObject"))
    monkeypatch.setattr("sandbox.aws_plugin.resource.time.sleep", lambda _: policy.delete())
    role.delete()
    with pytest.raises(ClientError, match="NoSuchEntity"):
        engine.client("iam").get_role(RoleName=role.id)


# The provider itself ------------------------------------------------------------------------------------------------


def test_missing_region_of_the_provider_is_reported(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    error = _error(lambda: engine.stub.Configure(provider_pb2.ConfigureRequest()))
    assert "pulumi config set aws:region" in error.details()


def test_unsupported_provider_setting_is_reported(engine: Engine) -> None:
    request = provider_pb2.CheckRequest(urn=urn("pulumi:providers:aws", "p"), news=to_struct({"profile": "mine"}))
    (failure,) = engine.stub.CheckConfig(request).failures
    assert failure.reason == "not carried by the sandbox: provider setting 'profile'"
