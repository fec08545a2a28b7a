"""Nodes, targets and predictions of one region, with a real control plane and a real model server.

Nothing here depends on how fast this machine is. A node without pods is removed after ten modelled minutes, so tests
that need more nodes give them pods.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dr import clients
from dr.data import publication
from dr.errors import Failed
from sandbox.cli import predict
from sandbox.client.endpoint import Endpoint
from sandbox.clusters.mlserver import lacking
from sandbox.model_set import train
from sandbox.server import running
from tests.support.inference import READY_PATH, ZONES, Region
from tests.support.waiting import wait_for

EAST = "us-east-1"
BUCKETS = {"models": "models-1", "registry": "registry-1", "datasets": "datasets-1"}
REPLICAS = 6
ROW = [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0] * 8
can_serve = pytest.mark.skipif(bool(lacking()), reason=lacking() or "MLServer is installed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Region, str, Path]]:
    """A region with six replicas on six nodes, the id of their model set, and the model."""
    with running(kubernetes=True) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }.items():
            patch.setenv(name, value)
        clients.forget()
        region = Region(aws, EAST)
        region.build(REPLICAS)
        s3 = region.client("s3")
        for bucket in BUCKETS.values():
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        trained = train(tmp_path_factory.mktemp("model"))
        published = publication.publish(EAST, BUCKETS, "digits", trained.items).set_id
        region.serve(REPLICAS, BUCKETS)
        yield region, published, trained.folder / "model.joblib"


@pytest.fixture
def region(made: tuple[Region, str, Path]) -> Region:
    """The region without faults, with all replicas, and at rest."""
    found = made[0]
    found.heal()
    check_targets(found, seconds=10)
    settle(found)
    return found


def settle(region: Region) -> None:
    """Wait until each zone has two nodes, and the first number of replicas serves on them.

    The autoscaler may add a node whenever a pod waits, and removes one only after ten modelled minutes. So the desired
    numbers are set again as often as it changed them.
    """
    scale(region, REPLICAS)

    def settled() -> bool:
        if not all_healthy(region):
            return False
        if sizes(region) != [REPLICAS // len(ZONES)] * len(ZONES):
            resize(region, REPLICAS)
            return False
        return region.ready_nodes() == list("aabbcc")

    wait_for(settled, "rest", lambda: (sizes(region), region.ready_nodes(), sorted(region.states().values())))


def all_healthy(region: Region) -> bool:
    """Whether the targets are the pods, and all are healthy."""
    return list(region.states().values()) == ["healthy"] * REPLICAS


def ready_pods(region: Region) -> int:
    """Pods that a disruption budget counts."""
    return sum(
        each["type"] == "Ready" and each["status"] == "True"
        for pod in region.pods()
        if "deletionTimestamp" not in pod["metadata"]
        for each in pod["status"].get("conditions", ())
    )


def check_targets(region: Region, seconds: int) -> None:
    """Set the interval of the load balancer's health checks, in modelled seconds."""
    group = region.made["group"]
    region.client("elbv2").modify_target_group(TargetGroupArn=group, HealthCheckIntervalSeconds=seconds)


def groups_of(region: Region) -> list[dict[str, Any]]:
    """The node groups of the zones."""
    eks = region.client("eks")
    names = [f"gpu-{zone}" for zone in ZONES]
    return [eks.describe_nodegroup(clusterName=region.cluster, nodegroupName=name)["nodegroup"] for name in names]


def sizes(region: Region) -> list[int]:
    """Desired number of nodes in each zone."""
    return [group["scalingConfig"]["desiredSize"] for group in groups_of(region)]


def desired(region: Region) -> int:
    """Desired number of nodes in all zones."""
    return sum(sizes(region))


def issues(region: Region) -> list[dict[str, Any]]:
    """Health issues of all node groups."""
    return [issue for group in groups_of(region) for issue in group["health"]["issues"]]


def scaling_groups(region: Region) -> list[dict[str, Any]]:
    return list(region.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"])


def activities(region: Region) -> list[dict[str, Any]]:
    return list(region.client("autoscaling").describe_scaling_activities()["Activities"])


def zone_of(region: Region, pod: dict[str, Any]) -> str:
    """Letter of the zone that a pod runs in; "" for a waiting pod."""
    nodes = {node["metadata"]["name"]: node["metadata"]["labels"] for node in region.nodes()}
    return str(nodes.get(pod["spec"].get("nodeName", ""), {}).get("topology.kubernetes.io/zone", ""))[-1:]


def evict(region: Region, pod: dict[str, Any]) -> None:
    """Evict a pod; a new one starts in the zone with the fewest."""
    about = {"name": pod["metadata"]["name"], "namespace": "ml-serving"}
    path = f"/api/v1/namespaces/ml-serving/pods/{about['name']}/eviction"
    region.api.call("POST", path, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": about})


def resize(region: Region, nodes: int) -> None:
    """Set the desired number of nodes, as many in each zone."""
    for group in scaling_groups(region):
        region.client("autoscaling").set_desired_capacity(
            AutoScalingGroupName=group["AutoScalingGroupName"], DesiredCapacity=nodes // len(ZONES)
        )


def attempts(region: Region, count: int, path: str = READY_PATH) -> int:
    """Send requests, each on a new connection; return how many failed."""
    failed = 0
    for _ in range(count):
        connection = region.connect()
        try:
            connection.request("GET", path)
            failed += connection.getresponse().status != 200
        except (OSError, http.client.HTTPException):
            failed += 1
        finally:
            connection.close()
    return failed


def test_nodes_of_a_node_group_are_instances_in_its_zones(region: Region) -> None:
    assert region.ready_nodes() == list("aabbcc")
    states = [each["LifecycleState"] for group in scaling_groups(region) for each in group["Instances"]]
    assert states == ["InService"] * REPLICAS
    instances = {
        instance["InstanceId"]: instance
        for reservation in region.client("ec2").describe_instances()["Reservations"]
        for instance in reservation["Instances"]
        if instance["State"]["Name"] == "running"
    }
    for node in region.nodes():
        zone, _, instance = node["spec"]["providerID"].removeprefix("aws:///").partition("/")
        assert instances[instance]["Placement"]["AvailabilityZone"] == zone
        assert instances[instance]["PrivateDnsName"] == node["metadata"]["name"]
        assert {"Key": "Name", "Value": "gpu node"} in instances[instance]["Tags"]
        assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"


def test_ready_pods_are_the_healthy_targets(region: Region) -> None:
    addresses = {pod["status"]["podIP"] for pod in region.pods() if "deletionTimestamp" not in pod["metadata"]}

    assert set(region.states()) == addresses
    (other,) = region.client("elbv2").describe_target_health(
        TargetGroupArn=region.made["group"], Targets=[{"Id": "10.9.9.9"}]
    )["TargetHealthDescriptions"]
    assert other["TargetHealth"]["Reason"] == "Target.NotRegistered"


@can_serve
def test_a_region_serves_the_model_set_in_its_own_bucket(region: Region, made: tuple[Region, str, Path]) -> None:
    import joblib

    _, published, model = made
    answer = region.predict([ROW])

    assert answer["model_version"] == published
    assert answer["outputs"][0]["data"] == joblib.load(model).predict([ROW]).tolist()


@can_serve
def test_the_predict_command_compares_predictions_with_the_model(
    region: Region, monkeypatch: pytest.MonkeyPatch, made: tuple[Region, str, Path]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", region.aws.endpoint)
    clients.forget()
    endpoint = Endpoint(region.name, region.aws.endpoint, region.aws.authority.file)
    found = predict.ask(endpoint, EAST, BUCKETS, 3)

    assert [each.row for each in found] == [0, 1, 2]
    assert all(each.equal for each in found)
    assert {each.version for each in found} == {made[1]}

    region.fault(kind="region", region=EAST, unreachable=True)
    with pytest.raises(Failed, match=r"nothing answers at https://inference\.example\.com/v2/models/digits/infer"):
        predict.ask(endpoint, EAST, BUCKETS, 2)


@can_serve
def test_an_unknown_model_is_refused_by_the_model_server(region: Region) -> None:
    connection = region.connect()
    connection.request("POST", "/v2/models/unknown/infer", json.dumps({"inputs": []}))
    answer = connection.getresponse()

    assert answer.status in (400, 404, 422)
    assert b"unknown" in answer.read() or answer.status == 422


@can_serve
@pytest.mark.parametrize("path", ["/v2/repository/models/digits/unload", "/v2/repository/models/digits/%75nload"])
def test_a_client_cannot_unload_the_model(region: Region, path: str) -> None:
    connection = region.connect()
    connection.request("POST", path)
    answer = connection.getresponse()
    answer.read()

    assert answer.status == 404
    assert region.predict([ROW])["model_name"] == "digits"


@can_serve
def test_targets_without_a_loaded_model_are_unhealthy(region: Region) -> None:
    """The model is unloaded as only the pod itself can: at the server's own loopback port."""
    region.predict([ROW])
    assert unload(region, "unload") == 200
    try:
        wait_for(lambda: set(region.states().values()) == {"unhealthy"})
        assert attempts(region, 1, "/v2/health/ready") == 0, "the server itself is ready"
        assert attempts(region, 1) == 1
    finally:
        assert unload(region, "load") == 200
    wait_for(lambda: all_healthy(region))


def unload(region: Region, verb: str) -> int:
    """Unload or load the model at the model server's own port."""
    (traffic,) = region.aws.clusters.traffic_of(EAST)
    connection = http.client.HTTPConnection("127.0.0.1", traffic.serving.server_port)
    connection.request("POST", f"/v2/repository/models/digits/{verb}")
    status = connection.getresponse().status
    connection.close()
    return status


def test_route_53_health_of_a_load_balancer_follows_its_targets(region: Region) -> None:
    route53 = region.client("route53")
    config = {
        "Type": "HTTPS",
        "FullyQualifiedDomainName": region.made["balancer"],
        "ResourcePath": READY_PATH,
    }
    check = route53.create_health_check(CallerReference="targets", HealthCheckConfig=config)["HealthCheck"]["Id"]

    def status() -> str:
        seen = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        return str(seen[0]["StatusReport"]["Status"])

    assert "6 of 6 targets answer" in status()
    for zone in "abc":
        region.fault(kind="zone", zone=f"{EAST}{zone}")
    assert status().startswith("Failure")


def test_requests_to_a_lost_zone_fail_until_the_load_balancer_detects_the_loss(region: Region) -> None:
    check_targets(region, seconds=300)
    region.fault(kind="zone", zone=f"{EAST}a")

    wait_for(lambda: attempts(region, REPLICAS) > 0)
    check_targets(region, seconds=10)
    wait_for(lambda: attempts(region, 2 * REPLICAS) == 0)


def test_nodes_of_a_lost_zone_are_replaced_in_other_zones_until_it_recovers(region: Region) -> None:
    region.fault(kind="zone", zone=f"{EAST}a")
    wait_for(lambda: "a" not in region.ready_nodes())
    wait_for(lambda: region.ready_nodes() == list("bbbccc"))
    wait_for(lambda: all_healthy(region))
    assert {node["metadata"]["labels"]["topology.kubernetes.io/zone"][-1] for node in region.nodes()} == set("bc")
    assert any("EC2 health check" in each["Cause"] for each in activities(region))

    region.heal()
    wait_for(lambda: region.ready_nodes().count("a") == 2)
    for zone in "bc":
        evict(region, next(pod for pod in region.pods() if zone_of(region, pod) == zone))
    settle(region)


def test_a_launch_without_capacity_fails_and_is_retried(region: Region) -> None:
    region.fault(kind="capacity", region=EAST, instance_type="g5.2xlarge")
    scale(region, REPLICAS + 1)
    wait_for(lambda: len(region.ready_nodes()) == REPLICAS + 1)
    types = [node["metadata"]["labels"]["node.kubernetes.io/instance-type"] for node in region.nodes()]
    assert types.count("g6.2xlarge") == 1, "the next type in the group's order"

    region.fault(kind="capacity", region=EAST, instance_type="g6.2xlarge")
    scale(region, REPLICAS + 2)
    issue = wait_for(lambda: issues(region))[0]
    assert issue["code"] == "AsgInstanceLaunchFailures"
    assert "do not have sufficient g5.2xlarge, g6.2xlarge capacity" in issue["message"]
    assert activities(region)[0]["StatusCode"] == "Failed"
    assert len(region.nodes()) == REPLICAS + 1

    region.heal()
    wait_for(lambda: len(region.ready_nodes()) == REPLICAS + 2)
    wait_for(lambda: not issues(region))


def test_a_node_is_drained_before_its_group_shrinks(region: Region) -> None:
    scale(region, REPLICAS + 1)
    wait_for(lambda: ready_pods(region) == REPLICAS + 1)
    assert desired(region) == REPLICAS + 1
    scale(region, REPLICAS)
    least = REPLICAS

    def settled() -> bool:
        nonlocal least
        least = min(least, ready_pods(region))
        if desired(region) != REPLICAS:
            resize(region, REPLICAS)
        return len(region.nodes()) == REPLICAS and all_healthy(region)

    wait_for(settled)
    assert least >= REPLICAS - 2, "the disruption budget holds"


@pytest.mark.parametrize(("strategy", "largest"), [("MINIMAL", 0), ("DEFAULT", 2)])
def test_a_new_launch_template_version_replaces_nodes_by_the_update_strategy(
    region: Region, strategy: str, largest: int
) -> None:
    before = {node["metadata"]["name"] for node in region.nodes()}
    eks, ec2 = region.client("eks"), region.client("ec2")
    template = groups_of(region)[0]["launchTemplate"]
    data = {"Monitoring": {"Enabled": True}}
    made = ec2.create_launch_template_version(LaunchTemplateId=template["id"], LaunchTemplateData=data)
    version = str(made["LaunchTemplateVersion"]["VersionNumber"])
    new = {"id": template["id"], "version": version}
    for zone in ZONES:
        eks.update_nodegroup_config(
            clusterName=region.cluster,
            nodegroupName=f"gpu-{zone}",
            updateConfig={"maxUnavailable": 1, "updateStrategy": strategy},
        )
        eks.update_nodegroup_version(clusterName=region.cluster, nodegroupName=f"gpu-{zone}", launchTemplate=new)
    least, most = REPLICAS, REPLICAS

    def renewed() -> bool:
        nonlocal least, most
        names = {node["metadata"]["name"] for node in region.nodes()}
        least, most = min(least, ready_pods(region)), max(most, len(names))
        return not names & before and len(names) == REPLICAS

    wait_for(renewed)
    assert least >= REPLICAS - 2, "the disruption budget holds"
    # The autoscaler possibly adds nodes for pods that wait while their node is drained, at most one in each zone.
    assert REPLICAS + largest <= most <= REPLICAS + (largest + 1) * len(ZONES)


def test_unschedulable_pods_grow_the_group_up_to_its_maximum(region: Region) -> None:
    scale(region, 12)
    wait_for(lambda: desired(region) == 9)
    wait_for(lambda: len(region.ready_nodes()) == 9)


def test_a_lost_region_recovers_with_its_pods(region: Region) -> None:
    region.fault(kind="region", region=EAST, unreachable=True)
    assert attempts(region, 3) == 3
    region.heal()
    wait_for(lambda: all_healthy(region))
    wait_for(lambda: attempts(region, 3) == 0)


def test_a_load_balancer_without_targets_resets_the_connection(region: Region) -> None:
    scale(region, 0)
    wait_for(lambda: not region.states())

    assert attempts(region, 2) == 2
    scale(region, REPLICAS)
    wait_for(lambda: all_healthy(region))


def test_a_cluster_and_its_subnets_can_be_deleted(region: Region) -> None:
    eks, ec2 = region.client("eks"), region.client("ec2")
    for zone in ZONES:
        eks.delete_nodegroup(clusterName=region.cluster, nodegroupName=f"gpu-{zone}")
    wait_for(lambda: region.nodes() == [])
    wait_for(lambda: not any(pod["spec"].get("nodeName") for pod in region.pods()))
    eks.delete_cluster(name=region.cluster)
    assert region.aws.clusters.of(EAST) == {}
    for subnet in region.made["subnets"]:
        ec2.delete_subnet(SubnetId=subnet)


def scale(region: Region, replicas: int) -> None:
    region.api.patch("/apis/apps/v1/namespaces/ml-serving/deployments/inference", {"spec": {"replicas": replicas}})
