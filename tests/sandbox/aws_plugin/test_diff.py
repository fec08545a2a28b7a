"""Diff: which properties differ, and which of them force a replacement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.aws_plugin.catalog import CATALOG
from sandbox.aws_plugin.diff import Change, deletes_first, differences, replaces
from sandbox.aws_plugin.plugin import UNKNOWN, from_struct, to_struct
from sandbox.aws_plugin.values import members, properties, same_document

BUCKET = CATALOG["aws:s3/bucket:Bucket"]
LIFECYCLE = CATALOG["aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"]
ENCRYPTION = CATALOG["aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"]
KEY = CATALOG["aws:kms/key:Key"]
ALIAS = CATALOG["aws:kms/alias:Alias"]
ROLE = CATALOG["aws:iam/role:Role"]
RECORD = CATALOG["aws:route53/record:Record"]
CHECK = CATALOG["aws:route53/healthCheck:HealthCheck"]
ALARM = CATALOG["aws:cloudwatch/metricAlarm:MetricAlarm"]
RULE = {"id": "a", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 30}}
STATE = {"bucket": "b", "region": "us-east-1", "tags": {"a": "1"}, "arn": "arn:aws:s3:::b", "objectLockEnabled": False}


def _policy(**statement: Any) -> str:
    allow = {"Sid": "S", "Effect": "Allow", "Action": ["s3:A", "s3:B"], "Resource": "*"} | statement
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def test_state_does_not_differ_from_itself() -> None:
    assert differences(BUCKET, STATE, {"bucket": "b", "region": "us-east-1", "tags": {"a": "1"}}) == {}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"a": "2"}, {"tags.a": Change.UPDATE}),
        ({"a": "1", "b:c": "2"}, {'tags["b:c"]': Change.ADD}),
        ({}, {"tags.a": Change.DELETE}),
        (None, {"tags": Change.DELETE}),
        (UNKNOWN, {"tags": Change.UPDATE}),
        ({"a": UNKNOWN}, {"tags.a": Change.UPDATE}),
    ],
)
def test_maps_are_compared_by_key(tags: Any, expected: dict[str, Change]) -> None:
    assert differences(BUCKET, STATE, {"bucket": "b", "region": "us-east-1", "tags": tags}) == expected


def test_computed_property_makes_no_difference() -> None:
    assert differences(KEY, {"policy": _policy(), "keyUsage": "ENCRYPT_DECRYPT"}, {"keyUsage": "ENCRYPT_DECRYPT"}) == {}


def test_property_added_outside_pulumi_makes_a_difference() -> None:
    state = {"bucket": "b", "rules": [RULE | {"expiration": {"days": 1}}]}
    assert differences(LIFECYCLE, state, {"bucket": "b", "rules": [RULE]}) == {"rules[0].expiration": Change.DELETE}


def test_nested_change_is_reported_by_its_path() -> None:
    changed = RULE | {"noncurrentVersionExpiration": {"noncurrentDays": 60}}
    found = differences(LIFECYCLE, {"rules": [RULE]}, {"rules": [changed, RULE]})
    assert found == {
        "rules[0].noncurrentVersionExpiration.noncurrentDays": Change.UPDATE,
        "rules[1]": Change.ADD,
    }


def test_empty_block_equals_an_absent_one() -> None:
    state = {
        "rules": [RULE | {"filter": {"prefix": ""}, "expiration": {"days": 0, "expiredObjectDeleteMarker": False}}]
    }
    assert differences(LIFECYCLE, state, {"rules": [RULE]}) == {}


def test_order_of_a_set_makes_no_difference() -> None:
    state = {"type": "CALCULATED", "childHealthchecks": ["a", "b"]}
    assert differences(CHECK, state, state | {"childHealthchecks": ["b", "a"]}) == {}
    assert differences(CHECK, state, state | {"childHealthchecks": ["b", "b"]}) == {"childHealthchecks": Change.UPDATE}


def test_order_of_a_list_makes_a_difference() -> None:
    other = RULE | {"id": "b"}
    found = differences(LIFECYCLE, {"rules": [RULE, other]}, {"rules": [other, RULE]})
    assert found.keys() == {"rules[0].id", "rules[1].id"}


def test_weight_of_zero_differs_from_no_weight() -> None:
    state = {"zoneId": "Z", "name": "n", "type": "A", "weightedRoutingPolicies": [{"weight": 100}]}
    found = differences(RECORD, state, state | {"weightedRoutingPolicies": [{"weight": 0}]})
    assert found == {"weightedRoutingPolicies[0].weight": Change.UPDATE}
    plain = {name: value for name, value in state.items() if name != "weightedRoutingPolicies"}
    found = differences(RECORD, plain, state | {"weightedRoutingPolicies": [{"weight": 0}]})
    assert found == {"weightedRoutingPolicies": Change.ADD}


def test_equivalent_key_ids_and_record_names_are_equal() -> None:
    arn = "arn:aws:kms:us-east-1:123456789012:key/1-2"
    assert differences(ALIAS, {"targetKeyId": "1-2"}, {"targetKeyId": arn}) == {}
    assert differences(RECORD, {"name": "a.example.com"}, {"name": "A.example.com."}) == {}


@pytest.mark.parametrize(
    "same",
    [
        _policy(Action=["s3:B", "s3:A"]),
        _policy(Resource=["*"]),
        json.dumps(json.loads(_policy()), indent=2),
        json.dumps({"Version": "2012-10-17", "Statement": json.loads(_policy())["Statement"][0]}),
    ],
)
def test_equivalent_policies_are_equal(same: str) -> None:
    assert same_document(_policy(), same)
    assert differences(ROLE, {"assumeRolePolicy": _policy()}, {"assumeRolePolicy": same}) == {}


@pytest.mark.parametrize(
    "other", [_policy(Effect="Deny"), _policy(Action="s3:A"), _policy(Condition={"Bool": {"x": "true"}}), "no JSON"]
)
def test_policies_with_different_meaning_differ(other: str) -> None:
    assert not same_document(_policy(), other)


def test_boolean_and_string_true_are_equal_in_policies() -> None:
    assert same_document(_policy(Condition={"Bool": {"x": True}}), _policy(Condition={"Bool": {"x": "true"}}))


def test_order_of_policy_statements_makes_no_difference() -> None:
    one, two = ({"Effect": effect, "Action": "*"} for effect in ("Allow", "Deny"))
    assert same_document(json.dumps({"Statement": [one, two]}), json.dumps({"Statement": [two, one]}))


def test_differences_in_ignored_paths_are_omitted() -> None:
    wanted = {"bucket": "b", "region": "us-east-1", "tags": {"a": "2", "b": "1"}}
    assert differences(BUCKET, STATE, wanted, ["tags"]) == {}
    assert differences(BUCKET, STATE, wanted, ["tags.a"]) == {"tags.b": Change.ADD}


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        (BUCKET, "bucket", True),
        (BUCKET, "region", True),
        (BUCKET, "tags.bucket", False),
        (KEY, "description", False),
        (KEY, "multiRegion", True),
        (RECORD, "type", False),
        (CHECK, "requestInterval", True),
        (LIFECYCLE, "rules[0].id", False),
    ],
)
def test_changed_property_replaces_the_resource_if_it_does_in_the_real_plugin(
    kind: Any, path: str, expected: bool
) -> None:
    assert replaces(kind, path) is expected


def test_replaced_resource_is_deleted_first_only_if_its_name_is_kept() -> None:
    state = {"bucket": "b", "region": "us-east-1"}
    moved = {"bucket": "b", "region": "us-west-2"}
    assert deletes_first(BUCKET, state, moved)
    assert not deletes_first(BUCKET, state, moved | {"__defaults": ["bucket"]})
    assert not deletes_first(BUCKET, state, moved | {"bucket": "c"})
    assert not deletes_first(ENCRYPTION, state, moved)


def test_values_survive_the_conversion_to_aws_and_back() -> None:
    metric = {"metricName": "m", "namespace": "n", "dimensions": {"a": "b"}, "period": 60, "stat": "Sum"}
    alarm = {"name": "x", "okActions": ["arn:aws:sns:1"], "metricQueries": [{"id": "q", "metric": metric}]}
    sent = members(ALARM.fields, alarm)
    assert sent["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"] == [{"Name": "a", "Value": "b"}]
    assert properties(ALARM.fields, sent) == alarm


def test_list_of_one_block_is_flattened_into_the_enclosing_structure() -> None:
    alias = {"name": "lb.example.com", "zoneId": "Z2", "evaluateTargetHealth": True}
    record = {"type": "A", "aliases": [alias], "failoverRoutingPolicies": [{"type": "PRIMARY"}]}
    sent = members(RECORD.fields, record)
    assert sent == {
        "Type": "A",
        "AliasTarget": {"DNSName": "lb.example.com", "HostedZoneId": "Z2", "EvaluateTargetHealth": True},
        "Failover": "PRIMARY",
    }
    assert properties(RECORD.fields, sent) == record


def test_protobuf_conversion_keeps_integers_and_drops_nulls() -> None:
    values = {"a": 1, "b": 1.5, "c": [True, {"d": "e"}], "f": UNKNOWN}
    assert from_struct(to_struct({**values, "g": None})) == values
    assert isinstance(from_struct(to_struct(values))["a"], int)
