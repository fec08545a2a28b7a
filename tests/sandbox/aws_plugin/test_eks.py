"""EKS's types, launch templates and reservations beyond create, update, delete: replacement, drift, calls, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from sandbox.aws_plugin.plugin import UNKNOWN
from tests.sandbox.aws_plugin.examples import EXAMPLES, make
from tests.sandbox.aws_plugin.examples_eks import (
    ACCESS_ENTRY,
    ADDON,
    CLUSTER,
    INGRESS_RULE,
    LAUNCH_TEMPLATE,
    NODE_GROUP,
    RESERVATION,
)
from tests.sandbox.aws_plugin.harness import Engine, Managed, given

ROLE_ARN = "arn:aws:iam::123456789012:role/any"
CLUSTER_INPUTS = {"roleArn": ROLE_ARN, "vpcConfig": {"subnetIds": ["subnet-1", "subnet-2"]}}
GROUP_INPUTS = {
    "clusterName": "ml-dr",
    "nodeRoleArn": ROLE_ARN,
    "subnetIds": ["subnet-1"],
    "scalingConfig": {"minSize": 0, "desiredSize": 0, "maxSize": 1},
}
RESERVED = {
    "instanceType": "g5.2xlarge",
    "instancePlatform": "Linux/UNIX",
    "availabilityZone": "us-east-1a",
    "instanceCount": 1,
}
RULE = {"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443}


def test_preview_of_a_changed_cluster_keeps_the_computed_network_properties(engine: Engine) -> None:
    made = make(engine, "cluster", "preview-of-network")
    network = {**made.inputs["vpcConfig"], "publicAccessCidrs": ["203.0.113.0/24"]}

    planned = made.update(preview=True, **given(made) | {"vpcConfig": network})

    assert planned["vpcConfig"]["clusterSecurityGroupId"] == made.state["vpcConfig"]["clusterSecurityGroupId"]
    assert planned["vpcConfig"]["publicAccessCidrs"] == ["203.0.113.0/24"]


def test_preview_of_a_new_cluster_has_an_unknown_security_group(engine: Engine) -> None:
    inputs, _ = EXAMPLES["cluster"].before(engine, "planned-network")

    planned = engine.preview(EXAMPLES["cluster"].token, "planned-network", **inputs)

    assert planned["vpcConfig"]["clusterSecurityGroupId"] == UNKNOWN


def operations(engine: Engine, since: int) -> list[str]:
    """Return the changing calls since a position."""
    calls = [call["operation"] for call in engine.calls(since)["calls"]]
    return [name for name in calls if not name.startswith(("Describe", "List", "Get"))]


@pytest.mark.parametrize(
    ("example", "changes", "path"),
    [
        ("cluster", {"roleArn": ROLE_ARN}, "roleArn"),
        ("cluster", {"kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.100.0.0/16"}}, "kubernetesNetworkConfig"),
        ("node-group", {"instanceTypes": ["g5.2xlarge"]}, "instanceTypes[1]"),
        ("node-group", {"amiType": "BOTTLEROCKET_x86_64_NVIDIA"}, "amiType"),
        ("node-group", {"capacityType": "SPOT"}, "capacityType"),
        ("addon", {"addonName": "coredns"}, "addonName"),
        ("access-entry", {"type": "EC2_LINUX"}, "type"),
        ("access-policy", {"accessScope": {"type": "namespace", "namespaces": ["ml-serving"]}}, "accessScope"),
        ("pod-identity", {"serviceAccount": "another"}, "serviceAccount"),
        ("launch-template", {"name": "another"}, "name"),
        ("capacity-reservation", {"instanceMatchCriteria": "targeted"}, "instanceMatchCriteria"),
        ("capacity-reservation", {"availabilityZone": "us-east-1b"}, "availabilityZone"),
        ("ingress-rule", {"securityGroupId": "sg-another"}, "securityGroupId"),
    ],
)
def test_immutable_property_is_replaced(engine: Engine, example: str, changes: dict[str, Any], path: str) -> None:
    made = make(engine, example, f"replaced-{example}-{next(iter(changes)).lower()}")
    found = made.changes(**{**given(made), **changes})

    assert all(name.startswith(path) for name in found)
    assert any(change.endswith("_REPLACE") for change in found.values())


def test_cluster_is_encrypted_in_place_and_replaced_when_the_setting_is_removed(engine: Engine) -> None:
    encrypted, _ = EXAMPLES["cluster"].before(engine, "encrypted")
    plain = {name: value for name, value in encrypted.items() if name != "encryptionConfig"}
    made = engine.make(CLUSTER, "encrypted", **plain)
    assert made.changes(**encrypted) == {"encryptionConfig": "ADD"}
    made.update(**encrypted)
    assert made.changes(**encrypted) == {}

    assert made.changes(**plain) == {"encryptionConfig": "DELETE_REPLACE"}


def test_encryption_key_of_another_region_is_refused_for_a_cluster(engine: Engine) -> None:
    west = engine.emulator.client("kms", "us-west-2").create_key()["KeyMetadata"]["Arn"]
    config = {"provider": {"keyArn": west}, "resources": ["secrets"]}
    with pytest.raises(grpc.RpcError, match=r"no key .* in us-east-1"):
        make(engine, "cluster", "other-key", encryptionConfig=config)


def test_removed_endpoint_setting_returns_to_its_default(engine: Engine) -> None:
    made = make(engine, "cluster", "endpoint")
    network = {"subnetIds": made.inputs["vpcConfig"]["subnetIds"]}

    assert made.changes(**{**given(made), "vpcConfig": network}) == {
        "vpcConfig.endpointPublicAccess": "UPDATE",
        "vpcConfig.endpointPrivateAccess": "UPDATE",
    }


def test_each_kind_of_cluster_change_is_a_separate_call(engine: Engine) -> None:
    made = make(engine, "cluster", "kinds")
    _, changed = EXAMPLES["cluster"].before(engine, "kinds-changed")
    wanted = {**given(made), **{name: changed[name] for name in ("version", "enabledClusterLogTypes")}}
    wanted["vpcConfig"] = {**made.inputs["vpcConfig"], "endpointPublicAccess": True}
    since = engine.calls()["next"]
    made.update(**wanted, deletionProtection=True, zonalShiftConfig={"enabled": True})

    assert operations(engine, since) == ["UpdateClusterVersion", *["UpdateClusterConfig"] * 4]
    with pytest.raises(grpc.RpcError, match="deletion protection"):
        made.delete()


def test_downgrade_of_a_cluster_is_refused_by_aws(engine: Engine) -> None:
    made = make(engine, "cluster", "down")
    with pytest.raises(grpc.RpcError, match=r"from 1\.34 to 1\.33"):
        made.update(**{**given(made), "version": "1.33"})


def test_new_launch_template_version_updates_the_node_group_in_place(engine: Engine) -> None:
    template = make(engine, "launch-template", "renewed")
    group = make(engine, "node-group", "renews", launchTemplate={"id": template.id, "version": "1"})
    (name,) = (each["name"] for each in group.state["resources"][0]["autoscalingGroups"])
    metadata = {"httpTokens": "required", "httpPutResponseHopLimit": 2, "httpEndpoint": "enabled"}
    wanted = {**given(template), "metadataOptions": metadata}

    assert template.update(preview=True, **wanted)["latestVersion"] == UNKNOWN
    template.update(**wanted)
    assert (template.state["latestVersion"], template.state["defaultVersion"]) == (2, 2)

    newer = {**given(group), "launchTemplate": {"id": template.id, "version": "2"}}
    assert group.changes(**newer) == {"launchTemplate.version": "UPDATE"}
    since = engine.calls()["next"]
    group.update(**newer)
    assert operations(engine, since) == ["UpdateNodegroupVersion"]
    groups = engine.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    assert groups["AutoScalingGroups"][0]["LaunchTemplate"]["Version"] == "2"


def test_launch_template_keeps_its_default_version_and_tags_create_no_version(engine: Engine) -> None:
    made = make(engine, "launch-template", "tagged", updateDefaultVersion=False)
    made.update(**{**given(made), "tags": {"project": "another"}})
    assert made.state["latestVersion"] == 1
    made.update(**{**given(made), "monitoring": {"enabled": False}})

    assert (made.state["latestVersion"], made.state["defaultVersion"]) == (2, 1)


def test_launch_template_can_target_a_capacity_reservation(engine: Engine) -> None:
    reserved = make(engine, "capacity-reservation", "named", instanceMatchCriteria="targeted")
    target = {"capacityReservationTarget": {"capacityReservationId": reserved.id}}
    made = make(engine, "launch-template", "naming", capacityReservationSpecification=target)

    assert made.state["capacityReservationSpecification"] == target
    assert made.changes() == {}


def test_removed_labels_and_taints_are_deleted_from_the_node_group(engine: Engine) -> None:
    made = make(engine, "node-group", "bare")
    wanted = {name: value for name, value in given(made).items() if name not in ("labels", "taints")}
    made.update(**wanted)
    found = engine.client("eks").describe_nodegroup(clusterName="bare", nodegroupName="gpu")["nodegroup"]

    assert (found["labels"], found["taints"]) == ({}, [])
    assert made.changes(**wanted) == {}


def test_taint_with_a_changed_value_remains_one_taint(engine: Engine) -> None:
    made = make(engine, "node-group", "tainted")
    taints = [{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}]
    made.update(**{**given(made), "taints": taints})

    assert made.state["taints"] == taints


def test_conflict_policy_of_an_add_on_is_sent_with_other_changes_only(engine: Engine) -> None:
    made = make(engine, "addon", "conflicts")
    since = engine.calls()["next"]
    made.update(**{**given(made), "resolveConflictsOnUpdate": "PRESERVE"})
    assert operations(engine, since) == []
    made.update(**{**given(made), "addonVersion": "v1.50.1-eksbuild.1"})

    assert operations(engine, since) == ["UpdateAddon"]


def test_a_pod_identity_is_imported_by_cluster_and_id(engine: Engine) -> None:
    made = make(engine, "pod-identity", "imported")

    assert engine.read(made.token, f"{made.state['clusterName']},{made.id}").id == made.id


def test_security_group_rule_with_another_kind_of_peer_is_replaced(engine: Engine) -> None:
    made = make(engine, "ingress-rule", "peer")
    wanted = {name: value for name, value in given(made).items() if name != "referencedSecurityGroupId"}

    assert made.changes(**wanted, cidrIpv4="10.0.0.0/8") == {
        "cidrIpv4": "ADD",
        "referencedSecurityGroupId": "DELETE_REPLACE",
    }


def test_capacity_reservation_can_have_an_end_date(engine: Engine) -> None:
    made = make(engine, "capacity-reservation", "ends")
    wanted = {**given(made), "endDateType": "limited", "endDate": "2030-01-31T18:00:00Z"}
    made.update(**wanted)
    assert made.state["endDate"] == "2030-01-31T18:00:00Z"

    assert made.changes(**{**wanted, "endDate": "2030-01-31T19:00:00+01:00"}) == {}


def _scale(engine: Engine, made: Managed) -> None:
    sizes = {"minSize": 0, "desiredSize": 4, "maxSize": 10}
    engine.client("eks").update_nodegroup_config(
        clusterName=made.state["clusterName"], nodegroupName="gpu", scalingConfig=sizes
    )


def _log_less(engine: Engine, made: Managed) -> None:
    logging = {"clusterLogging": [{"types": ["audit"], "enabled": False}]}
    engine.client("eks").update_cluster_config(name=made.id, logging=logging)


def _rename(engine: Engine, made: Managed) -> None:
    named = {name: made.state[name] for name in ("clusterName", "principalArn")}
    engine.client("eks").update_access_entry(**named, kubernetesGroups=["admins"])


def _reserve_less(engine: Engine, made: Managed) -> None:
    engine.client("ec2").modify_capacity_reservation(CapacityReservationId=made.id, InstanceCount=5)


@pytest.mark.parametrize(
    ("example", "change", "paths"),
    [
        ("node-group", _scale, {"scalingConfig.desiredSize"}),
        ("cluster", _log_less, {"enabledClusterLogTypes"}),
        ("capacity-reservation", _reserve_less, {"instanceCount"}),
    ],
)
def test_refresh_finds_a_change_outside_pulumi_and_an_update_reverts_it(
    engine: Engine, example: str, change: Callable[[Engine, Managed], None], paths: set[str]
) -> None:
    made = make(engine, example, f"drift-{example}")
    inputs = given(made)
    change(engine, made)
    assert made.refresh()
    assert made.changes(**inputs).keys() == paths
    made.update(**inputs)
    assert made.changes(**inputs) == {}


def test_kubernetes_groups_of_an_access_entry_are_kept_if_the_program_omits_them(engine: Engine) -> None:
    made = make(engine, "access-entry", "left-alone")
    _rename(engine, made)
    assert made.refresh()

    assert made.changes(**EXAMPLES["access-entry"].before(engine, "left-alone-too")[0]).keys() == {"clusterName"}


def test_refresh_removes_a_cancelled_capacity_reservation(engine: Engine) -> None:
    made = make(engine, "capacity-reservation", "cancelled")
    engine.client("ec2").cancel_capacity_reservation(CapacityReservationId=made.id)

    assert not made.refresh()


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        (CLUSTER, {**CLUSTER_INPUTS, "name": "-ml"}, "name", "1 to 100 letters"),
        (CLUSTER, {**CLUSTER_INPUTS, "roleArn": "role"}, "roleArn", "not an ARN"),
        (
            CLUSTER,
            {**CLUSTER_INPUTS, "enabledClusterLogTypes": ["audits"]},
            "enabledClusterLogTypes[0]",
            "did you mean 'audit'?",
        ),
        (
            CLUSTER,
            {**CLUSTER_INPUTS, "kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.0.0.0/8"}},
            "kubernetesNetworkConfig.serviceIpv4Cidr",
            "not between /12 and /24",
        ),
        (CLUSTER, {**CLUSTER_INPUTS, "outpostConfig": {}}, "outpostConfig", "not carried by the sandbox"),
        (
            NODE_GROUP,
            {**GROUP_INPUTS, "launchTemplate": {"id": "lt-1", "name": "gpu", "version": "1"}},
            "launchTemplate",
            "both are set",
        ),
        (NODE_GROUP, {**GROUP_INPUTS, "updateConfig": {}}, "updateConfig", "none is set"),
        (
            NODE_GROUP,
            {**GROUP_INPUTS, "scalingConfig": {"minSize": 0, "desiredSize": 0, "maxSize": 0}},
            "scalingConfig.maxSize",
            "less than the 1",
        ),
        (
            NODE_GROUP,
            {**GROUP_INPUTS, "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
            "taints[0].effect",
            "none of NO_SCHEDULE",
        ),
        (ADDON, {"clusterName": "ml-dr", "addonName": "coredns", "addonVersion": "1.12"}, "addonVersion", "leading v"),
        (
            ADDON,
            {"clusterName": "ml-dr", "addonName": "coredns", "resolveConflictsOnCreate": "PRESERVE"},
            "resolveConflictsOnCreate",
            "none of NONE, OVERWRITE",
        ),
        (ACCESS_ENTRY, {"clusterName": "ml-dr", "principalArn": "platform"}, "principalArn", "not an ARN"),
        (LAUNCH_TEMPLATE, {"name": "a b"}, "name", "3 to 125"),
        (RESERVATION, {**RESERVED, "instanceMatchCriteria": "any"}, "instanceMatchCriteria", "none of open, targeted"),
        (RESERVATION, {**RESERVED, "endDate": "2030-01-31T18:00:00Z"}, "endDate", "endDateType limited"),
        (RESERVATION, {**RESERVED, "endDateType": "limited", "endDate": "soon"}, "endDate", "not an RFC 3339 time"),
        (INGRESS_RULE, RULE, "cidrIpv4", "none is set"),
        (INGRESS_RULE, {**RULE, "cidrIpv4": "10.0.0.1/8"}, "cidrIpv4", "not a network address"),
        (
            INGRESS_RULE,
            {**RULE, "cidrIpv4": "10.0.0.0/8", "referencedSecurityGroupId": "sg-2"},
            "referencedSecurityGroupId",
            "one peer",
        ),
    ],
)
def test_invalid_property_is_reported(
    engine: Engine, token: str, inputs: dict[str, Any], path: str, reason: str
) -> None:
    (failure,) = engine.check(token, "broken", inputs).failures

    assert failure.property == path
    assert reason in failure.reason
