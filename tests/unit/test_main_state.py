"""The whole program of both stacks against a cloud in memory: its reaction to deployed state and to problems."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pulumi
import pytest
from moto import mock_aws

from dr.clusters import rollout_wait
from dr.clusters.versions import TABLE
from dr.control import contract, incident_state
from dr.control.incident_state import Incident, IncidentState, Levers
from dr.errors import Failed, Problem
from dr.operations.pulumi_cli import PulumiStack
from dr.preflight import cluster_reachability, guards, own_cluster, quotas, running_nodes, supply
from dr.preflight.cluster_reachability import Answer
from dr.preflight.own_cluster import OwnCluster
from dr.preflight.running_nodes import RunningNodes, Size
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from dr.topology.writers import WRITERS
from tests.support.builders import half
from tests.support.mirror import DIGEST, HOST, mirror
from tests.support.mocks import Cloud
from tests.support.program import CONTROL, run


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture(autouse=True)
def exported(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The stack's state as exported by the engine, without pending operations."""
    state: dict[str, Any] = {}
    monkeypatch.setattr(PulumiStack, "export_state", lambda self: state)
    return state


@pytest.fixture(autouse=True)
def nodes(monkeypatch: pytest.MonkeyPatch) -> dict[str, RunningNodes]:
    """Running nodes by region, initially none; moto's EKS does not report a missing cluster as AWS does."""
    found: dict[str, RunningNodes] = {}
    monkeypatch.setattr(running_nodes, "find", lambda cluster, workload, region: found.get(region, RunningNodes()))
    return found


@pytest.fixture
def control() -> Any:
    """The recovery region's control bucket, as created by the primary stack."""
    s3 = boto3.client("s3", "us-west-2")
    s3.create_bucket(Bucket=CONTROL, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return s3


def weight(cloud: Cloud) -> int:
    (policy,) = cloud.one("Record", "recovery-record")["weightedRoutingPolicies"]
    return int(policy["weight"])


def sizes(cloud: Cloud, group: str = "gpu-a") -> tuple[int, int, int]:
    scaling = cloud.one("NodeGroup", f"cluster-{group}")["scalingConfig"]
    return scaling["minSize"], scaling["desiredSize"], scaling["maxSize"]


@pytest.mark.usefixtures("control")
def test_node_count_raised_by_the_autoscaler_is_kept_in_tiers_with_nodes(
    monkeypatch: pytest.MonkeyPatch, nodes: dict[str, RunningNodes]
) -> None:
    nodes["us-west-2"] = RunningNodes({"us-west-2a": Size(1, 3), "us-west-2b": Size(1, 1)}, Size(2, 4))
    nodes["us-east-1"] = RunningNodes({"us-east-1a": Size(2, 3)})
    warm, pilot = run("dr", monkeypatch, tier="warm"), run("dr", monkeypatch, tier="pilot")

    assert [sizes(warm, f"gpu-{zone}") for zone in "abc"] == [(1, 3, 5), (1, 1, 5), (1, 1, 5)]
    assert sizes(pilot) == (0, 0, 5)
    assert sizes(warm, "system") == sizes(pilot, "system") == (2, 4, 6)
    assert sizes(run("primary", monkeypatch)) == (2, 3, 5)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace what a deployment keeps of the deployed cluster."""

    def keep(**changes: Any) -> None:
        monkeypatch.setattr(own_cluster, "find", lambda topology: OwnCluster(**changes))

    return keep


@pytest.mark.usefixtures("control")
def test_operator_role_with_an_entry_of_eks_gets_no_second_entry(
    monkeypatch: pytest.MonkeyPatch, kept: Callable[..., None]
) -> None:
    creator, other = (f"arn:aws:iam::123456789012:role/{name}" for name in ("creator", "other"))
    kept(foreign_roles=(creator,))
    cloud = run("dr", monkeypatch, operatorRoles=json.dumps([creator, other]))

    entries = {made.inputs["principalArn"] for made in cloud.of("AccessEntry").values()}
    assert entries & {creator, other} == {other}


@pytest.mark.usefixtures("control")
def test_control_plane_stays_in_its_zones_and_nodes_use_all(
    monkeypatch: pytest.MonkeyPatch, kept: Callable[..., None]
) -> None:
    kept(zones=("us-west-2a", "us-west-2b"))
    cloud = run("dr", monkeypatch)

    private = [f"subnet-network-private-{zone}-subnet" for zone in "abc"]
    assert cloud.one("Cluster", "cluster")["vpcConfig"]["subnetIds"] == private[:2]
    assert cloud.one("NodeGroup", "cluster-system")["subnetIds"] == private


@pytest.mark.usefixtures("control")
def test_newer_version_that_eks_runs_is_deployed_in_place_of_the_tables(
    monkeypatch: pytest.MonkeyPatch, kept: Callable[..., None]
) -> None:
    kept(versions=replace(TABLE, kubernetes="1.36"))

    assert run("dr", monkeypatch).one("Cluster", "cluster")["version"] == "1.36"


@pytest.mark.usefixtures("control")
def test_with_a_mirror_every_image_of_pods_and_every_chart_is_of_the_regions_registry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supply, "find", lambda *_: mirror())
    cloud = run("dr", monkeypatch, tier="warm")
    pod = cloud.one("Deployment", "serving-deployment")["spec"]["template"]["spec"]

    images = [each["image"] for each in (*pod["initContainers"], *pod["containers"])]
    assert images == [f"{HOST}/ml-dr/serving@{DIGEST}"] * 3
    charts = {made.inputs["chart"].partition("/")[0] for made in cloud.of("Release").values()}
    assert charts == {".local"}


@pytest.mark.usefixtures("control")
def test_missing_existing_vpc_stops_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pulumi.RunError, match="dr:existingVpc: vpc-0123456789abcdef0 is not in us-west-2"):
        run("dr", monkeypatch, existingVpc="vpc-0123456789abcdef0")


@pytest.mark.usefixtures("control")
def test_only_images_without_a_digest_cause_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    run("dr", monkeypatch, tier="backup", toolsImage=f"docker.io/tools:1@sha256:{'0a' * 32}")

    assert "dr:inferenceImage" in caplog.text
    assert "dr:toolsImage" not in caplog.text


@pytest.mark.parametrize(("preview", "warnings"), [(True, [3]), (False, [])])
@pytest.mark.usefixtures("control")
def test_images_without_a_digest_give_one_warning_at_preview_and_none_at_the_update(
    preview: bool, warnings: list[int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: preview)
    run("dr", monkeypatch, tier="backup")

    assert [text.count("has no digest") for text in caplog.messages if "has no digest" in text] == warnings


def test_dr_stack_before_the_primary_stack_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run("dr", monkeypatch)

    assert f"us-west-2 has no control bucket {CONTROL}" in str(caught.value)
    assert "run `pulumi up -s primary`" in str(caught.value)


def test_activated_tier_is_not_lowered_by_an_update(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    control.put_object(Bucket=CONTROL, Key=incident_state.KEY, Body=IncidentState(activation=Tier.WARM).to_json())
    cloud = run("dr", monkeypatch, tier="pilot")

    assert cloud.exports["tier"] == "warm"
    assert len(cloud.of("NatGateway")) == 3
    assert weight(cloud) == 0


def test_replicas_are_backed_up_while_the_recovery_region_is_activated(
    control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.put_object(Bucket=CONTROL, Key=incident_state.KEY, Body=IncidentState(activation=Tier.WARM).to_json())
    selections = run("dr", monkeypatch, tier="pilot").of("Selection")

    tags = {name: made.inputs["conditions"][0]["stringEquals"][0]["value"] for name, made in selections.items()}
    replicas = {name: tag for name, tag in tags.items() if not name.endswith("-selection")}
    assert replicas == {"backup-replicas": "replica", "backup-databases-replicas": "replica"}
    assert {tag for name, tag in tags.items() if name not in replicas} == {"enabled"}


@pytest.mark.parametrize("stack", ["primary", "dr"])
@pytest.mark.parametrize("engaged", [False, True], ids=["normal", "engaged"])
def test_backups_are_written_in_the_region_that_clients_use(
    stack: str, engaged: bool, control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = IncidentState(levers=Levers(engaged=engaged))
    control.put_object(Bucket=CONTROL, Key=incident_state.KEY, Body=day.to_json())
    made = [each.inputs for each in run(stack, monkeypatch).resources if each.type.startswith("kubernetes:")]
    specs = {
        (about.get("namespace"), about["name"]): each.get("spec", {})
        for each in made
        if (about := each.get("metadata"))
    }

    for each in WRITERS:
        spec = specs[each.namespace, each.name]
        assert {name: spec[name] for name in each.active} == each.fields(serves=engaged is (stack == "dr"))


def test_existing_bucket_is_selected_by_its_name_since_it_has_the_tags_of_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boto3.client("s3", "us-east-1").create_bucket(Bucket="their-datasets")
    cloud = run("primary", monkeypatch, buckets='[{"name": "datasets", "existing": "their-datasets"}]')

    assert cloud.one("Selection", "backup-adopted")["resources"] == ["arn:aws:s3:::their-datasets"]
    assert {name for name in cloud.of("Selection") if not name.endswith("-selection")} == {"backup-adopted"}


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("wanted", "serves", "first"), [("pilot", False, {"serving"}), ("warm", True, set())])
def test_region_is_not_expected_to_serve_before_its_replicas_are_stopped(
    wanted: str, serves: bool, first: set[str], control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = half(Role.RECOVERY, tier="warm")
    control.put_object(Bucket=CONTROL, Key=contract.key_of(Role.RECOVERY), Body=json.dumps(deployed.to_dict()))
    monkeypatch.setattr(guards, "alarm_states", lambda *_: {guards.PRIMARY_DOWN: guards.OK})
    cloud = run("dr", monkeypatch, tier=wanted)

    assert json.loads(cloud.one("BucketObjectv2", "serving")["content"]) == {"serves": serves}
    assert cloud.components["cluster"].dependencies & {"serving"} == first


def test_lowering_the_tier_during_an_incident_is_refused(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = half(Role.RECOVERY, tier="warm")
    control.put_object(Bucket=CONTROL, Key=contract.key_of(Role.RECOVERY), Body=json.dumps(deployed.to_dict()))
    day = IncidentState(incident=Incident("i-1", "2026-11-23T03:00:00+00:00", "drill"))
    control.put_object(Bucket=CONTROL, Key=incident_state.KEY, Body=day.to_json())
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


def test_pending_creation_stops_the_update(exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    urn = "urn:pulumi:primary::dr::dr:network:Network$aws:ec2/natGateway:NatGateway::network-nat-a"
    operation = {"resource": {"urn": urn, "inputs": {}}, "type": "creating"}
    exported["deployment"] = {"pending_operations": [operation]}
    with pytest.raises(pulumi.RunError, match="the last update was interrupted while it created network-nat-a"):
        run("primary", monkeypatch)


@pytest.mark.usefixtures("control")
def test_moving_a_deployed_region_to_another_network_is_refused(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = half(Role.RECOVERY, network="10.7.0.0/16")
    control.put_object(Bucket=CONTROL, Key=contract.key_of(Role.RECOVERY), Body=json.dumps(deployed.to_dict()))
    with pytest.raises(pulumi.RunError, match=r"dr:recoveryCidr: us-west-2 is deployed in 10\.7\.0\.0/16"):
        run("dr", monkeypatch)


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_all_configuration_problems_are_reported_without_a_traceback(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        run(stack, monkeypatch, tier="wram", teir="x")

    assert 'did you mean "warm"?' in str(caught.value)
    assert "dr:teir: unknown key" in str(caught.value)


@pytest.mark.parametrize(("tier", "held", "floors"), [("warm", (), []), ("warm", ("digits",), [3]), ("pilot", (), [])])
def test_deployment_waits_for_replicas_only_with_replicas_and_a_published_model_set(
    monkeypatch: pytest.MonkeyPatch,
    control: Any,
    followed: list[Any],
    tier: str,
    held: tuple[str, ...],
    floors: list[int],
) -> None:
    registry = CONTROL.replace("-control", "-registry")
    control.create_bucket(Bucket=registry, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for name in held:
        control.put_object(Bucket=registry, Key=f"sets/{name}/1/manifest.json", Body=b"{}")
    metadata = run("dr", monkeypatch, tier=tier).one("Deployment", "serving-deployment")["metadata"]

    assert [(api.address.region, floor) for api, floor, *_ in followed] == [("us-west-2", floor) for floor in floors]
    assert metadata["annotations"]["pulumi.com/skipAwait"] == "true"


@pytest.fixture
def held(control: Any) -> None:
    """The model set exists in the recovery region, so the program waits for replicas."""
    registry = CONTROL.replace("-control", "-registry")
    control.create_bucket(Bucket=registry, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    control.put_object(Bucket=registry, Key="sets/digits/1/manifest.json", Body=b"{}")


@pytest.mark.usefixtures("held")
def test_stuck_rollout_ends_the_program_with_only_its_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: Any) -> Any:
        raise Failed(Problem("rollout of ml-serving/inference-service", "stuck: no image", "set dr:inferenceImage"))

    monkeypatch.setattr(rollout_wait, "wait", wait)
    with pytest.raises(pulumi.RunError) as caught:
        run("dr", monkeypatch, tier="warm")

    assert str(caught.value) == (
        "failed: rollout of ml-serving/inference-service: stuck: no image\n    -> set dr:inferenceImage"
    )


@pytest.mark.usefixtures("held")
def test_preview_does_not_wait_for_a_rollout(monkeypatch: pytest.MonkeyPatch, followed: list[Any]) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    run("dr", monkeypatch, tier="warm")

    assert followed == []


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clusters exist and do not respond."""
    shut = Answer(Problem("cluster ml-dr", "the API server does not answer", "check the network"), refused=True)
    monkeypatch.setattr(cluster_reachability, "begin", lambda topology: lambda: shut)


@pytest.mark.parametrize("stack", ["primary", "dr"])
@pytest.mark.usefixtures("control", "silent")
def test_update_with_an_unreachable_cluster_is_refused_before_the_first_resource(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Cloud()
    with pytest.raises(pulumi.RunError, match=r"does not answer, so the objects .* nothing was changed"):
        run(stack, monkeypatch, cloud, tier="warm")

    assert cloud.resources == []


@pytest.mark.usefixtures("silent")
def test_all_problems_are_reported_together_before_the_first_resource(
    control: Any, exported: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    urn = "urn:pulumi:dr::dr::dr:network:Network$aws:ec2/natGateway:NatGateway::network-nat-a"
    exported["deployment"] = {"pending_operations": [{"resource": {"urn": urn, "inputs": {}}, "type": "creating"}]}
    deployed = half(Role.RECOVERY, tier="active", network="10.1.0.0/16")
    control.put_object(Bucket=CONTROL, Key=contract.key_of(Role.RECOVERY), Body=json.dumps(deployed.to_dict()))
    day = IncidentState(incident=Incident("i-1", "2026-11-23T03:00:00+00:00", "drill"))
    control.put_object(Bucket=CONTROL, Key=incident_state.KEY, Body=day.to_json())
    monkeypatch.setattr(quotas, "value_of", lambda quota, region: 0.0)
    cloud = Cloud()
    with pytest.raises(pulumi.RunError) as caught:
        run("dr", monkeypatch, cloud, tier="warm", existingVpc="vpc-0123456789abcdef0")

    text = str(caught.value)
    assert text.startswith("refused: 7 problems")
    assert "dr:existingVpc: us-west-2 is deployed in 10.1.0.0/16" in text
    assert "dr:existingVpc: vpc-0123456789abcdef0 is not in us-west-2" in text
    assert "quota L-DB2E81BA" in text
    assert "quota L-1216C47A" in text
    assert "cluster ml-dr: the API server does not answer" in text
    assert "the last update was interrupted while it created network-nat-a" in text
    assert cloud.resources == []


@pytest.mark.usefixtures("control", "silent")
def test_preview_with_an_unreachable_cluster_warns_and_continues(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    cloud = run("dr", monkeypatch, tier="warm")

    assert "this preview shows neither what the API server would refuse nor what was changed" in caplog.text
    assert cloud.one("Deployment", "serving-deployment")


@pytest.mark.usefixtures("control", "silent")
def test_unreachable_cluster_does_not_prevent_the_change_to_tier_backup(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert run("dr", monkeypatch, tier="backup").resources
    assert "does not answer" not in caplog.text
