"""Changes of deployed stacks: by configuration, by hand, and with invalid settings."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client, config

from dr.errors import Failed
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"


def changed(changes: Any, name: str) -> tuple[str, list[str]]:
    (found,) = [(op, keys) for op, urn, keys in changes.changed if urn.endswith(f"::{name}")]
    return found


def test_diff_names_the_changed_property(deployed: SandboxUnderTest) -> None:
    with deployed.configured("primary", buckets=[{"name": "models", "noncurrentDays": 7}]):
        changes = deployed.engine.preview("primary")

    assert changes.counts.keys() == {"same", "update"}
    assert changes.counts["update"] == 2
    operation, properties = changed(changes, "models-source-lifecycle")
    assert operation == "update"
    assert properties == ["rules[0].noncurrentVersionExpiration.noncurrentDays"]


def test_preview_of_more_api_access_shows_exactly_the_changes_of_up(deployed: SandboxUnderTest) -> None:
    try:
        with deployed.configured("primary", apiCidrs=["203.0.113.0/24", "198.51.100.0/24"]):
            planned = deployed.engine.preview("primary")
            done = deployed.engine.up("primary")
    finally:
        deployed.engine.up("primary")

    operation, properties = changed(planned, "cluster")
    assert planned.counts.keys() == {"same", "update"}
    assert (planned.counts["update"], operation) == (1, "update")
    assert {each.partition("[")[0] for each in properties} == {"vpcConfig.publicAccessCidrs"}
    assert planned.changed == done.changed


def test_refresh_detects_a_manual_change_and_up_reverts_it(deployed: SandboxUnderTest) -> None:
    s3, name = deployed.client("s3", WEST), "ml-dr-123456789012-us-west-2-models"
    access = {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": False,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=access)

    drift = deployed.engine.preview("primary", refresh=True)
    assert drift.counts["update"] == 1
    assert ["blockPublicPolicy"] in [
        keys for op, urn, keys in drift.changed if urn.endswith("::models-replica-public-access")
    ]
    assert deployed.engine.up("primary", refresh=True).counts["update"] == 1
    answer = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(answer.values()) == {True}


def test_misspelled_tier_fails_the_update_with_the_nearest_tier(deployed: SandboxUnderTest) -> None:
    with deployed.configured("dr", tier="wram"), pytest.raises(Failed) as caught:
        deployed.engine.up("dr")

    assert 'dr:tier: "wram" is not a valid tier' in str(caught.value)
    assert 'did you mean "warm"?' in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_string_for_a_list_key_is_reported_with_all_other_problems(deployed: SandboxUnderTest) -> None:
    with (
        deployed.configured("dr", gpuInstanceTypes="g5.2xlarge", role="", tier="wram"),
        pytest.raises(Failed) as caught,
    ):
        deployed.engine.up("dr")

    text = str(caught.value)
    assert 'dr:gpuInstanceTypes: "g5.2xlarge" is not a list' in text
    assert "`pulumi config set --path 'dr:gpuInstanceTypes[0]' g5.2xlarge`" in text
    assert "dr:role: is not set" in text
    assert 'dr:tier: "wram" is not a valid tier' in text


def test_wrong_passphrase_is_reported_with_the_sandboxs_passphrase(deployed: SandboxUnderTest) -> None:
    with pytest.raises(Failed) as caught:
        deployed.engine.up("dr", extra={"PULUMI_CONFIG_PASSPHRASE": "wrong"})

    assert "PULUMI_CONFIG_PASSPHRASE does not match the stack's encryptionsalt" in str(caught.value)
    assert 'the sandbox\'s passphrase is "sandbox"' in str(caught.value)


def test_changed_interval_replaces_the_health_check_and_updates_its_users(deployed: SandboxUnderTest) -> None:
    route53 = deployed.client("route53", EAST)

    def interval() -> int:
        check = deployed.engine.outputs("dr")["contract"]["dns"]["endpoint_check_id"]
        config = route53.get_health_check(HealthCheckId=check)["HealthCheck"]["HealthCheckConfig"]
        return int(config["RequestInterval"])

    try:
        with deployed.configured("dr", healthCheckInterval="30"):
            changes = deployed.engine.up("dr")
        assert changes.counts.keys() == {"replace", "same", "update"}
        assert (changes.counts["replace"], changes.counts["update"]) == (1, 3)
        differ = [keys for op, urn, keys in changes.changed if urn.endswith("::recovery-endpoint")]
        assert ["requestInterval"] in differ
        assert interval() == 30
    finally:
        deployed.engine.up("dr")
    assert interval() == 10
    assert len(route53.list_health_checks()["HealthChecks"]) == 6


def test_karpenter_and_a_shared_mesh_are_added_and_removed_without_replacements(inside: SandboxUnderTest) -> None:
    api = client.CustomObjectsApi(config.new_client_from_config(str(inside.local.kubeconfig), context=WEST))

    def of(group: str, version: str, plural: str) -> list[dict[str, Any]]:
        return list(api.list_cluster_custom_object(group, version, plural)["items"])

    try:
        with inside.configured("dr", karpenter="true", sharedMesh="true"):
            there = inside.engine.up("dr")
            assert inside.engine.up("dr").none
        (pool,) = of("karpenter.sh", "v1", "nodepools")
        (rule,) = of("networking.istio.io", "v1", "destinationrules")
    finally:
        back = inside.engine.up("dr")

    assert there.counts.keys() == {"create", "delete", "same", "update"}
    assert changed(there, "mesh-failover")[0] == "update"
    assert pool["spec"]["template"]["spec"]["nodeClassRef"]["kind"] == "EC2NodeClass"
    assert {"from": WEST, "to": EAST} in rule["spec"]["trafficPolicy"]["loadBalancer"]["localityLbSetting"]["failover"]
    assert of("karpenter.sh", "v1", "nodepools") == []
    assert (back.counts["create"], back.counts["delete"]) == (there.counts["delete"], there.counts["create"])
