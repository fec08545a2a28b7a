"""Both stacks, whole, at every tier, against a cloud in memory; what they read from S3 is moto's."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest
from moto import mock_aws

from dr import contract, state
from dr.objectives import Tier
from dr.project import read_config
from dr.state import DayState, Incident
from dr.topology import Role
from tests.support.builders import half, topology
from tests.support.mocks import Cloud, deploy

ROOT = Path(__file__).parents[2]
CONTROL = "ml-dr-123456789012-us-west-2-control"
OF_PRIMARY = {"zone_id": "Z0PRIMARY", "primary_bucket": "one", "secondary_bucket": "other"}


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def control() -> Any:
    """The recovery region's control bucket, as the primary stack leaves it."""
    s3 = boto3.client("s3", "us-west-2")
    s3.create_bucket(Bucket=CONTROL, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return s3


def run(stack: str, monkeypatch: pytest.MonkeyPatch, **changes: str) -> Cloud:
    values = {**read_config(ROOT, stack), **{f"dr:{key}": value for key, value in changes.items()}}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(values))
    cloud = Cloud(outputs_of_primary=OF_PRIMARY)
    return deploy(lambda: runpy.run_path(str(ROOT / "__main__.py")) and None, stack, cloud)


def weight(cloud: Cloud) -> int:
    (policy,) = cloud.one("Record", "recovery-record")["weightedRoutingPolicies"]
    return int(policy["weight"])


def test_the_primary_stack_makes_all_pairs_from_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = run("primary", monkeypatch)

    assert len(cloud.of("Bucket")) == 8
    assert len(cloud.of("BucketReplicationConfig")) == 8
    assert len(cloud.of("Key")) == 2
    assert set(cloud.exports["buckets"]) == {"datasets", "models", "registry", "control"}


def test_the_primary_stack_exports_both_bucket_names_and_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    exports = run("primary", monkeypatch).exports

    assert exports["primary_bucket"] == "ml-dr-123456789012-us-east-1-datasets"
    assert exports["secondary_bucket"] == "ml-dr-123456789012-us-west-2-datasets"
    assert contract.parse(json.dumps(exports["contract"]), "test").role is Role.PRIMARY


def test_the_primary_half_is_written_to_the_primarys_control_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    written = run("primary", monkeypatch).one("BucketObjectv2", "contract")

    assert (written["bucket"], written["key"]) == ("ml-dr-123456789012-us-east-1-control", "contract/primary.json")
    assert contract.parse(written["content"], "test").dns.lever == "engage"


@pytest.mark.parametrize("tier", list(Tier))
def test_the_tier_changes_nothing_in_the_primary_stack(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    def inputs(cloud: Cloud) -> dict[tuple[str, str], object]:
        return {(each.type, each.name): each.inputs for each in cloud.made}

    assert inputs(run("primary", monkeypatch)) == inputs(run("primary", monkeypatch, tier=str(tier)))


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.usefixtures("control")
def test_the_dr_stack_makes_the_same_resources_in_every_tier(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = run("dr", monkeypatch, tier=str(tier))

    assert {each.name for each in cloud.made} == {
        *("recovery-endpoint", "recovery-lever", "recovery-lever-check", "recovery-check"),
        *("recovery-record", "recovery-regional-record", "contract"),
    }
    assert weight(cloud) == (100 if tier is Tier.ACTIVE else 0)
    assert cloud.exports["tier"] == str(tier)
    assert cloud.one("BucketObjectv2", "contract")["bucket"] == CONTROL


@pytest.mark.parametrize("tier", list(Tier))
@pytest.mark.usefixtures("control")
def test_nothing_of_the_dr_stack_is_in_the_primary_region(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = {each.inputs.get("region") for each in run("dr", monkeypatch, tier=str(tier)).made}

    assert regions <= {"us-west-2", None}


@pytest.mark.usefixtures("control")
def test_the_dr_stack_takes_ids_from_the_primary_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = run("dr", monkeypatch)

    assert cloud.one("Record", "recovery-record")["zoneId"] == "Z0PRIMARY"
    assert (cloud.exports["primary_bucket"], cloud.exports["secondary_bucket"]) == ("one", "other")


def test_the_dr_stack_before_the_primary_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run("dr", monkeypatch)

    assert f"us-west-2 has no control bucket {CONTROL}" in str(caught.value)
    assert "`pulumi up -s primary` first" in str(caught.value)


def test_what_was_brought_up_by_hand_is_not_shrunk(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    control.put_object(Bucket=CONTROL, Key=state.KEY, Body=DayState(activation=Tier.WARM).to_json())
    cloud = run("dr", monkeypatch, tier="pilot")

    assert cloud.exports["tier"] == "warm"
    assert weight(cloud) == 0


def test_a_lower_tier_in_an_incident_is_refused(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = half(Role.RECOVERY, tier="warm")
    control.put_object(Bucket=CONTROL, Key=contract.key_of(Role.RECOVERY), Body=json.dumps(deployed.to_dict()))
    day = DayState(incident=Incident("i-1", "2026-11-23T03:00:00+00:00", "drill"))
    control.put_object(Bucket=CONTROL, Key=state.KEY, Body=day.to_json())
    with pytest.raises(pulumi.RunError, match=r'"pilot" is less than "warm", which is deployed'):
        run("dr", monkeypatch, tier="pilot")


@pytest.mark.parametrize("role", list(Role))
def test_a_contract_of_a_newer_version_stops_the_dr_stack(
    role: Role, control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = {**half(role).to_dict(), "version": 2}
    control.put_object(Bucket=CONTROL, Key=contract.key_of(role), Body=json.dumps(newer))
    with pytest.raises(pulumi.RunError, match="version 2, written by a newer program"):
        run("dr", monkeypatch)


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_a_wrong_configuration_is_reported_whole_and_without_a_traceback(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(stack, monkeypatch, tier="wram", teir="x")

    assert 'did you mean "warm"?' in str(caught.value)
    assert "dr:teir: no such key" in str(caught.value)


def test_the_committed_stack_files_agree_with_each_other() -> None:
    assert read_config(ROOT, "primary")["dr:role"] == "primary"
    assert read_config(ROOT, "dr")["dr:role"] == "recovery"
    assert topology().primary_stack == "primary"
