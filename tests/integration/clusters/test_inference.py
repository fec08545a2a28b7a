"""Inference on a real API server with the real scheduler and controllers, on simulated nodes."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from kubernetes.client import AppsV1Api
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError

from components.kubernetes import inference_spec
from dr.clusters import rollout_wait
from dr.clusters.charts import BACKUP, BALANCER, MESH_BASE
from dr.topology.tiers import Tier
from sandbox.clusters import addon_definitions
from sandbox.control_plane.control_plane import ControlPlane
from sandbox.toolchain.kubernetes_binaries import Binaries
from tests.support.charts import served_definitions
from tests.support.control_plane import control_plane_in
from tests.support.kubernetes import CUSTOM, manifests, spec
from tests.support.waiting import wait_for

pytestmark = pytest.mark.thorough


class Cluster:
    """A cluster, changed as by Pulumi's plugin: by server-side apply with one field manager."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane, self.api = plane, DynamicClient(plane.api())

    def kind(self, version: str, kind: str) -> Any:
        return self.api.resources.get(api_version=version, kind=kind)

    def apply(self, manifest: Mapping[str, Any], **options: Any) -> Any:
        meta = manifest["metadata"]
        kind = self.kind(manifest["apiVersion"], manifest["kind"])
        options = {"field_manager": "pulumi-kubernetes-0a1b2c3d", **options}
        return self.api.server_side_apply(
            kind, body=manifest, name=meta["name"], namespace=meta.get("namespace"), **options
        )

    def deployment(self) -> Any:
        return self.api.get(self.kind("apps/v1", "Deployment"), name="inference-service", namespace="ml-serving")

    def pods(self) -> list[Any]:
        found = self.api.get(self.kind("v1", "Pod"), namespace="ml-serving").items
        return [pod for pod in found if not pod.metadata.deletionTimestamp]

    def ready(self, pods: list[Any] | None = None) -> int:
        conditions = [pod.status.conditions or [] for pod in pods or self.pods()]
        return sum(any(each.type == "Ready" and each.status == "True" for each in of) for of in conditions)

    def zones(self) -> Counter[str]:
        return Counter((pod.spec.nodeName or "none").split(".")[0] for pod in self.pods())


def node(zone: str, number: int) -> dict[str, Any]:
    name = f"{zone}.node-{number}"
    held = {"cpu": "8", "memory": "32Gi", "pods": "58", "ephemeral-storage": "200Gi", "nvidia.com/gpu": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kwok.x-k8s.io/node": "fake",
                "pool": "gpu",
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/region": "us-west-2",
                "topology.kubernetes.io/zone": f"us-west-2{zone}",
            },
        },
        "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]},
        "status": {"capacity": held, "allocatable": held},
    }


def at_once(deployment: Mapping[str, Any], image: str | None = None) -> dict[str, Any]:
    """Return the Deployment without minReadySeconds, which is not accelerated; optionally with another image."""
    made = copy.deepcopy(dict(deployment))
    made["spec"]["minReadySeconds"] = 0
    if image:
        made["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return made


@pytest.fixture
def cluster(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for one test, with exactly one GPU for each replica of the floor."""
    with control_plane_in(tmp_path_factory.mktemp("inference"), binaries) as plane:
        made = Cluster(plane)
        nodes = made.kind("v1", "Node")
        for zone in "abc":
            for number in (1, 2):
                made.api.create(nodes, body=node(zone, number))
        yield made


def fill(cluster: Cluster, tier: Tier) -> None:
    """Create the objects of a tier, except custom resources."""
    for manifest in manifests(tier):
        if not str(manifest["apiVersion"]).startswith(CUSTOM):
            cluster.apply(at_once(manifest) if manifest["kind"] == "Deployment" else manifest)


def test_rollout_without_spare_gpus_keeps_the_budget_with_a_broken_and_a_good_version(cluster: Cluster) -> None:
    fill(cluster, Tier.ACTIVE)
    wait_for(lambda: cluster.ready() == 6, "ready")
    assert cluster.zones() == {"a": 2, "b": 2, "c": 2}

    deployment, fewest = inference_spec.deployment(spec()), [6]
    cluster.apply(at_once(deployment, "docker.io/serving:broken-1"))
    wait_for(lambda: cluster.ready() == 5 and len(cluster.pods()) == 6, "stuck")
    for _ in range(20):
        fewest.append(cluster.ready())
        time.sleep(0.05)
    assert min(fewest) == 5

    cluster.apply(at_once(deployment, "docker.io/serving:2"))

    def round_done() -> bool:
        pods = cluster.pods()
        fewest.append(cluster.ready(pods))
        return fewest[-1] == 6 and {pod.spec.containers[0].image for pod in pods} == {"docker.io/serving:2"}

    wait_for(round_done, "of the new version")
    assert min(fewest) >= spec().capacity.min_available
    assert cluster.zones() == {"a": 2, "b": 2, "c": 2}


def test_tier_changes_scale_replicas_and_updates_keep_the_autoscalers_count(cluster: Cluster) -> None:
    fill(cluster, Tier.PILOT)
    time.sleep(1)
    assert (cluster.deployment().spec.replicas, cluster.pods()) == (0, [])

    warm = at_once(inference_spec.deployment(spec(Tier.WARM)))
    cluster.apply(warm)
    wait_for(lambda: cluster.ready() == 3, "at the floor")
    assert cluster.zones() == {"a": 1, "b": 1, "c": 1}

    cluster.api.patch(
        cluster.kind("autoscaling/v2", "HorizontalPodAutoscaler"),
        body={"spec": {"minReplicas": 5}},
        name="inference-service",
        namespace="ml-serving",
        content_type="application/merge-patch+json",
    )
    wait_for(lambda: cluster.deployment().spec.replicas == 5, "scaled")
    cluster.apply(warm)
    assert cluster.deployment().spec.replicas == 5

    cluster.apply(at_once(inference_spec.deployment(spec(Tier.PILOT))))
    wait_for(lambda: not cluster.pods(), "down")
    time.sleep(1)
    assert cluster.deployment().spec.replicas == 0


def test_replicas_set_by_an_operator_in_pilot_light_are_kept(cluster: Cluster) -> None:
    fill(cluster, Tier.PILOT)
    scaled = {"spec": {"replicas": 4}}
    AppsV1Api(cluster.plane.api()).patch_namespaced_deployment_scale(
        "inference-service", "ml-serving", scaled, field_manager="dr"
    )
    pilot = at_once(inference_spec.deployment(spec(Tier.PILOT)), "docker.io/serving:2")
    with pytest.raises(ConflictError, match=r'conflict with \\"dr\\" with subresource \\"scale\\".*spec\.replicas'):
        cluster.apply(pilot)

    cluster.apply(at_once(inference_spec.deployment(spec(Tier.WARM))))
    assert cluster.deployment().spec.replicas == 4


def test_replicas_of_a_lost_zone_move_to_free_gpus_in_other_zones(cluster: Cluster) -> None:
    fill(cluster, Tier.ACTIVE)
    wait_for(lambda: cluster.ready() == 6, "ready")
    nodes = cluster.kind("v1", "Node")
    for zone in "ab":
        cluster.api.create(nodes, body=node(zone, 3))
    for number in (1, 2):
        # The node controller taints nodes with a silent kubelet; here the test sets these taints.
        taints = [
            {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
            *({"key": "node.kubernetes.io/unreachable", "effect": each} for each in ("NoSchedule", "NoExecute")),
        ]
        cluster.api.patch(
            nodes,
            body={"metadata": {"labels": {"kwok.x-k8s.io/node": None}}, "spec": {"taints": taints}},
            name=f"c.node-{number}",
            content_type="application/merge-patch+json",
        )
    wait_for(lambda: cluster.zones() == {"a": 3, "b": 3} and cluster.ready() == 6, "in the zones that are left")


def test_api_server_accepts_every_object_without_changes(cluster: Cluster) -> None:
    """This includes custom resources with definitions from charts: no field is dropped or changed by a default."""
    fill(cluster, Tier.ACTIVE)
    addon_definitions.install(cluster.plane, "snapshot-controller")
    for chart in (BALANCER, MESH_BASE, BACKUP):
        for definition in served_definitions(chart):
            cluster.apply(definition)
            name = definition["metadata"]["name"]
            wait_for(partial(established, cluster, name), f"{name} is established")
    cluster.api = DynamicClient(cluster.plane.api())
    for manifest in manifests():
        taken = cluster.apply(manifest, dry_run="All", query_params=[("fieldValidation", "Strict")]).to_dict()
        assert lost(taken, manifest, manifest["kind"]) == []


def established(cluster: Cluster, name: str) -> bool:
    found = cluster.api.get(cluster.kind("apiextensions.k8s.io/v1", "CustomResourceDefinition"), name=name)
    return any(each.type == "Established" and each.status == "True" for each in found.status.conditions or [])


def lost(taken: Any, wanted: Any, path: str = "") -> list[str]:
    """Return fields that the API server changes: Pulumi would show them as drift."""
    if isinstance(wanted, Mapping) and isinstance(taken, Mapping):
        return [each for key, value in wanted.items() for each in lost(taken.get(key), value, f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(taken, list) and len(taken) == len(wanted):
        pairs = zip(taken, wanted, strict=True)
        return [each for number, pair in enumerate(pairs) for each in lost(*pair, f"{path}[{number}]")]
    return [] if taken == wanted else [f"{path}: {wanted!r} became {taken!r}"]


def test_zero_that_a_failback_leaves_is_declared_by_no_manager_in_a_serving_tier(cluster: Cluster) -> None:
    pilot = at_once(inference_spec.deployment(spec(Tier.PILOT)))
    fill(cluster, Tier.PILOT)
    for replicas in (4, 0):
        AppsV1Api(cluster.plane.api()).patch_namespaced_deployment_scale(
            "inference-service", "ml-serving", {"spec": {"replicas": replicas}}, field_manager="dr"
        )
    cluster.apply(at_once(inference_spec.deployment(spec(Tier.WARM))))
    left = cluster.plane.api().sanitize_for_serialization(cluster.deployment())
    assert left["spec"]["replicas"] == 0
    assert rollout_wait._left_at_zero(left)

    cluster.apply(pilot)
    assert not rollout_wait._left_at_zero(cluster.plane.api().sanitize_for_serialization(cluster.deployment()))
