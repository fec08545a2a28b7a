"""Workloads on a real control plane, with kwok in place of kubelets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client import ApiException

from sandbox.control_plane.control_plane import ControlPlane
from tests.support.waiting import wait_for

LABEL = "kwok.x-k8s.io/node"


class Place:
    """A test's own namespace, with nodes that only its pods tolerate."""

    def __init__(self, plane: ControlPlane) -> None:
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        api = plane.api()
        self.core, self.apps, self.batch = client.CoreV1Api(api), client.AppsV1Api(api), client.BatchV1Api(api)
        self.scaling = client.AutoscalingV2Api(api)
        self.policy = client.PolicyV1Api(api)
        self.core.create_namespace({"metadata": {"name": self.name}})
        # The controller manager creates service accounts a moment later.
        wait_for(lambda: self.core.list_namespaced_service_account(self.name).items)

    def node(self, name: str, zone: str = "us-east-1a") -> str:
        """Add a GPU node."""
        full = f"{self.name}-{name}"
        labels = {LABEL: "fake", "topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": full, "of": self.name}
        taints = [{"key": "of", "value": self.name, "effect": "NoSchedule"}]
        capacity = {"cpu": "8", "memory": "32Gi", "pods": "58", "nvidia.com/gpu": "1"}
        self.core.create_node(
            {"metadata": {"name": full, "labels": labels}, "spec": {"taints": taints}, "status": {"capacity": capacity}}
        )
        wait_for(lambda: self.ready(full) == "True")
        return full

    def ready(self, node: str) -> str:
        """Status of a node's Ready condition."""
        conditions = self.core.read_node(node).status.conditions or ()
        return next((each.status for each in conditions if each.type == "Ready"), "")

    def pod(self, image: str = "server:1", **more: Any) -> dict[str, Any]:
        """A pod's spec for these nodes, with one GPU."""
        container = {"name": "main", "image": image, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
        return {
            "containers": [container | more.pop("container", {})],
            "nodeSelector": {"of": self.name},
            "tolerations": [{"key": "of", "operator": "Exists"}],
            **more,
        }

    def deploy(self, name: str, replicas: int, spec: dict[str, Any], annotations: dict[str, str] | None = None) -> None:
        """Create a Deployment."""
        template = {"metadata": {"labels": {"app": name}, "annotations": annotations or {}}, "spec": spec}
        body = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
        self.apps.create_namespaced_deployment(self.name, {"metadata": {"name": name}, "spec": body})

    def pods(self) -> list[Any]:
        """Pods of a Deployment."""
        return list(self.core.list_namespaced_pod(self.name).items)

    def serving(self) -> list[Any]:
        """Pods that are ready and not being deleted."""
        return [
            pod
            for pod in self.pods()
            if not pod.metadata.deletion_timestamp
            and any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())
        ]

    def clear(self) -> None:
        """Delete the namespace and its nodes."""
        self.core.delete_namespace(self.name)
        for node in self.core.list_node(label_selector=f"of={self.name}").items:
            self.core.delete_node(node.metadata.name)


@pytest.fixture
def place(control_plane: ControlPlane) -> Iterator[Place]:
    made = Place(control_plane)
    yield made
    made.clear()


def test_pods_become_ready_on_gpu_nodes_of_both_zones(place: Place) -> None:
    for number, zone in enumerate(("us-east-1a", "us-east-1a", "us-east-1b", "us-east-1b")):
        place.node(f"n{number}", zone)
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "inference"}},
    }
    place.deploy("inference", 4, place.pod(topologySpreadConstraints=[spread]))

    pods = wait_for(lambda: len(found := place.serving()) == 4 and found)

    assert len({pod.spec.node_name for pod in pods}) == 4
    assert len({pod.status.pod_ip for pod in pods}) == 4
    assert {pod.status.phase for pod in pods} == {"Running"}


def test_pods_that_request_a_gpu_tolerate_the_taint_of_gpu_nodes(place: Place) -> None:
    place.core.create_namespaced_pod(place.name, {"metadata": {"name": "p"}, "spec": place.pod()})

    tolerations = {each.key: each for each in place.core.read_namespaced_pod("p", place.name).spec.tolerations}

    assert tolerations["nvidia.com/gpu"].operator == "Exists"
    # 300 s, divided by the speed.
    assert tolerations["node.kubernetes.io/unreachable"].toleration_seconds == 5


def test_pods_of_a_node_without_a_kubelet_are_replaced_on_other_nodes(place: Place) -> None:
    dead, spare = place.node("dead"), ""
    place.deploy("inference", 1, place.pod())
    wait_for(place.serving)
    spare = place.node("spare", "us-east-1b")

    place.core.patch_node(dead, {"metadata": {"labels": {LABEL: None}}})

    wait_for(lambda: place.ready(dead) == "Unknown")
    pod = wait_for(lambda: [each for each in place.serving() if each.spec.node_name == spare])[0]
    # No kubelet on the dead node confirms that the old pod has ended.
    (old,) = [each for each in place.pods() if each.metadata.name != pod.metadata.name]
    assert old.metadata.deletion_timestamp is not None

    place.core.patch_node(dead, {"metadata": {"labels": {LABEL: "fake"}}})

    wait_for(lambda: place.ready(dead) == "True")
    wait_for(lambda: len(place.pods()) == 1)


def test_a_rollout_of_a_broken_image_keeps_the_old_pods(place: Place) -> None:
    for number in range(3):
        place.node(f"n{number}")
    place.deploy("inference", 2, place.pod())
    wait_for(lambda: len(place.serving()) == 2)

    image = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "server:2-broken"}]}}}}
    place.apps.patch_namespaced_deployment("inference", place.name, image)

    def waiting() -> Any:
        states = [each.state.waiting for pod in place.pods() for each in pod.status.container_statuses or ()]
        return next((state for state in states if state and state.reason == "ErrImagePull"), None)

    assert wait_for(waiting).message == 'failed to pull image "server:2-broken": not found'
    assert len(place.serving()) == 2


def test_start_readiness_and_end_of_a_pod_follow_its_annotations(place: Place) -> None:
    place.node("n")
    container = {"lifecycle": {"preStop": {"sleep": {"seconds": 3600}}}}
    spec = place.pod(container=container, terminationGracePeriodSeconds=3600)
    place.deploy("never", 1, spec, {"sandbox/start-seconds": "1", "sandbox/ready-seconds": "360000"})

    (pod,) = wait_for(lambda: [each for each in place.pods() if each.status.phase == "Running"])
    assert place.serving() == []

    # Its preStop hook sleeps for a modelled hour: the deleted pod stays until it is killed.
    name = pod.metadata.name
    place.core.delete_namespaced_pod(name, place.name)
    assert place.core.read_namespaced_pod(name, place.name).metadata.deletion_timestamp
    place.core.delete_namespaced_pod(name, place.name, grace_period_seconds=0)
    wait_for(lambda: name not in [each.metadata.name for each in place.pods()])


def test_the_pods_of_a_job_succeed(place: Place) -> None:
    place.node("n")
    template = {"spec": place.pod(restartPolicy="Never")}
    job = {"completions": 2, "parallelism": 1, "completionMode": "Indexed", "template": template}
    place.batch.create_namespaced_job(place.name, {"metadata": {"name": "shards"}, "spec": job})

    status = wait_for(
        lambda: (s := place.batch.read_namespaced_job_status("shards", place.name).status).succeeded and s
    )
    wait_for(lambda: place.batch.read_namespaced_job_status("shards", place.name).status.completed_indexes == "0,1")
    assert status.failed is None


def test_an_autoscaler_without_metrics_keeps_replicas_within_its_bounds(place: Place) -> None:
    place.node("n")
    place.deploy("inference", 1, place.pod())
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "inference"}
    scaler = {"metadata": {"name": "inference"}, "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4}}
    place.scaling.create_namespaced_horizontal_pod_autoscaler(place.name, scaler)

    def replicas() -> int:
        return int(place.apps.read_namespaced_deployment("inference", place.name).spec.replicas)

    wait_for(lambda: replicas() == 2)
    place.apps.patch_namespaced_deployment_scale("inference", place.name, {"spec": {"replicas": 9}})
    wait_for(lambda: replicas() == 4)
    # At 0 replicas, set by hand, an autoscaler is disabled.
    place.apps.patch_namespaced_deployment_scale("inference", place.name, {"spec": {"replicas": 0}})

    def disabled() -> bool:
        found = place.scaling.read_namespaced_horizontal_pod_autoscaler("inference", place.name).status.conditions
        return any(each.reason == "ScalingDisabled" for each in found or ())

    wait_for(disabled)
    assert replicas() == 0


def test_an_autoscaler_with_a_minimum_of_zero_is_refused(place: Place) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "inference"}
    scaler = {"metadata": {"name": "zero"}, "spec": {"scaleTargetRef": target, "minReplicas": 0, "maxReplicas": 4}}

    with pytest.raises(ApiException, match="minReplicas: Invalid value: 0: must be greater than or equal to 1"):
        place.scaling.create_namespaced_horizontal_pod_autoscaler(place.name, scaler)


def test_a_disruption_budget_refuses_the_eviction_that_would_break_it(place: Place) -> None:
    for number in range(2):
        place.node(f"n{number}")
    place.deploy("inference", 2, place.pod())
    wait_for(lambda: len(place.serving()) == 2)
    budget = {"minAvailable": 2, "selector": {"matchLabels": {"app": "inference"}}}
    place.policy.create_namespaced_pod_disruption_budget(place.name, {"metadata": {"name": "b"}, "spec": budget})

    def healthy() -> bool:
        return bool(place.policy.read_namespaced_pod_disruption_budget("b", place.name).status.current_healthy == 2)

    wait_for(healthy)
    name = place.serving()[0].metadata.name

    with pytest.raises(ApiException) as raised:
        place.core.create_namespaced_pod_eviction(name, place.name, {"metadata": {"name": name}})
    assert raised.value.status == 429


@pytest.mark.parametrize(
    ("labels", "spec", "reason"),
    [
        ({"pod-security.kubernetes.io/enforce": "restricted"}, {}, 'violates PodSecurity \\\\"restricted'),
        ({}, {"serviceAccountName": "unknown"}, "serviceaccount .*unknown.* not found"),
        ({}, {"priorityClassName": "unknown"}, "no PriorityClass with name unknown"),
    ],
)
def test_admission_refuses_the_same_pods_as_eks(
    place: Place, labels: dict[str, str], spec: dict[str, Any], reason: str
) -> None:
    place.core.patch_namespace(place.name, {"metadata": {"labels": labels}})

    with pytest.raises(ApiException, match=reason) as raised:
        place.core.create_namespaced_pod(place.name, {"metadata": {"name": "p"}, "spec": place.pod(**spec)})
    assert raised.value.status == 403


def test_a_resource_quota_counts_gpus(place: Place) -> None:
    quota = {"metadata": {"name": "gpus"}, "spec": {"hard": {"requests.nvidia.com/gpu": "1"}}}
    place.core.create_namespaced_resource_quota(place.name, quota)
    wait_for(lambda: place.core.read_namespaced_resource_quota("gpus", place.name).status.hard)
    place.core.create_namespaced_pod(place.name, {"metadata": {"name": "first"}, "spec": place.pod()})

    with pytest.raises(ApiException, match="exceeded quota: gpus"):
        place.core.create_namespaced_pod(place.name, {"metadata": {"name": "second"}, "spec": place.pod()})
