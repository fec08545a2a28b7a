"""Backups and batch jobs on a real API server, with Pod Security and the real Job controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from kubernetes.client import ApiException, BatchV1Api, CoreV1Api, SchedulingV1Api
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import UnprocessibleEntityError

from components.kubernetes import jobs_spec, namespace_spec, protection_spec, registry_backup_spec
from components.kubernetes.labels import BATCH_PRIORITY
from dr.errors import Exit
from dr.topology.topology import Role
from sandbox.clusters import addon_definitions
from sandbox.control_plane.control_plane import ControlPlane
from sandbox.toolchain.kubernetes_binaries import Binaries
from tests.support.control_plane import control_plane_in
from tests.support.kubernetes import CUSTOM, processing, protecting, registry_backup, spec
from tests.support.waiting import wait_for

TRAINING, REGISTRY = "ml-training", "mlflow"


class Cluster:
    """A cluster with the objects that batch jobs and backups need, and one node."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane, api = plane, plane.api()
        self.api, self.core, self.batch, self.scheduling = (
            DynamicClient(api),
            CoreV1Api(api),
            BatchV1Api(api),
            SchedulingV1Api(api),
        )

    def apply(self, manifest: Mapping[str, Any], **options: Any) -> Any:
        meta = manifest["metadata"]
        kind = self.api.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
        return self.api.server_side_apply(
            kind,
            body=manifest,
            name=meta["name"],
            namespace=meta.get("namespace"),
            field_manager="pulumi-kubernetes-0a1b2c3d",
            **options,
        )

    def start(self, cron_job: Mapping[str, Any], name: str, **annotations: str) -> None:
        """Start a CronJob's Job, as `kubectl create job --from` does."""
        template = cron_job["spec"]["jobTemplate"]["spec"]
        pods = {**template["template"], "metadata": {**template["template"]["metadata"], "annotations": annotations}}
        job = {
            "metadata": {"name": name, "annotations": {"cronjob.kubernetes.io/instantiate": "manual"}},
            "spec": {**template, "template": pods},
        }
        self.batch.create_namespaced_job(cron_job["metadata"]["namespace"], job)

    def job(self, namespace: str, name: str) -> Any:
        return self.batch.read_namespaced_job(name, namespace)

    def ended(self, namespace: str, name: str) -> str | None:
        """Return the final condition and its reason, for example "Failed: PodFailurePolicy", or None."""
        for each in self.job(namespace, name).status.conditions or ():
            if each.type in ("Complete", "Failed") and each.status == "True":
                return f"{each.type}: {each.reason}"
        return None

    def pods(self, namespace: str, job: str) -> list[Any]:
        found = self.core.list_namespaced_pod(namespace, label_selector=f"{jobs_spec.RUN_LABEL}={job}")
        return list(found.items)


@pytest.fixture(scope="module")
def cluster(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with control_plane_in(tmp_path_factory.mktemp("batch"), binaries) as plane:
        made = Cluster(plane)
        for each in namespace_spec.namespaces(spec().capacity, 3, 1):
            made.apply(namespace_spec.namespace(each, "1.35"))
            for manifest in namespace_spec.contents(each).values():
                made.apply(manifest)
        for manifest in namespace_spec.priorities().values():
            made.apply(manifest)
        held = {"cpu": "8", "memory": "32Gi", "pods": "58", "ephemeral-storage": "50Gi"}
        labels = {"kwok.x-k8s.io/node": "fake", "pool": "system", "kubernetes.io/hostname": "system-1"}
        made.core.create_node({"metadata": {"name": "system-1", "labels": labels}, "status": {"capacity": held}})
        for protection in protecting():
            if not str(protection["apiVersion"]).startswith(CUSTOM):
                made.apply(protection)
        yield made


def running(pods: list[Any]) -> list[Any]:
    return [pod for pod in pods if pod.status.phase == "Running"]


def test_second_apply_changes_no_object(cluster: Cluster) -> None:
    for manifest in protecting():
        if not str(manifest["apiVersion"]).startswith(CUSTOM):
            first = cluster.apply(manifest).metadata.resourceVersion
            assert cluster.apply(manifest).metadata.resourceVersion == first, manifest["kind"]


def test_job_completes_every_index_with_limited_parallelism_and_batch_priority(cluster: Cluster) -> None:
    cron_job, most = jobs_spec.cron_job(processing()), 0
    cluster.start(cron_job, "run-1", **{"sandbox/run-seconds": "20"})
    while not (ended := cluster.ended(TRAINING, "run-1")):
        most = max(most, len(running(cluster.pods(TRAINING, "run-1"))))
        time.sleep(0.05)

    assert ended.startswith("Complete"), ended
    status = cluster.job(TRAINING, "run-1").status
    assert (status.succeeded, status.completed_indexes, most) == (12, "0-11", 4)
    (pod, *_) = cluster.pods(TRAINING, "run-1")
    assert pod.spec.priority == cluster.scheduling.read_priority_class(BATCH_PRIORITY).value < 0
    environment = {
        each.name: each.value_from.field_ref.field_path for each in pod.spec.containers[0].env if each.value_from
    }
    assert environment.keys() == {"RUN", "JOB_COMPLETION_INDEX"}
    assert pod.metadata.labels[jobs_spec.RUN_LABEL] == "run-1"


def test_evicted_pod_is_replaced_without_counting_as_a_failure_of_its_index(cluster: Cluster) -> None:
    cron_job = jobs_spec.cron_job(processing(shards=2, parallelism=2))
    cluster.start(cron_job, "evicted", **{"sandbox/run-seconds": "240"})
    victim, *_ = wait_for(lambda: len(found := running(cluster.pods(TRAINING, "evicted"))) == 2 and found)
    cluster.core.create_namespaced_pod_eviction(
        victim.metadata.name, TRAINING, {"metadata": {"name": victim.metadata.name}}
    )
    ended = wait_for(lambda: cluster.ended(TRAINING, "evicted"))

    assert ended.startswith("Complete"), ended
    status = cluster.job(TRAINING, "evicted").status
    assert (status.completed_indexes, status.failed_indexes) == ("0,1", "")
    indexes = [
        pod.metadata.annotations.get("batch.kubernetes.io/job-index-failure-count")
        for pod in cluster.pods(TRAINING, "evicted")
    ]
    assert set(indexes) == {"0"}


def fail(cluster: Cluster, namespace: str, pod: Any, code: int) -> None:
    """Let a pod fail as if its container exited with a code."""
    container = pod.spec.containers[0]
    terminated = {"terminated": {"exitCode": code, "reason": "Error"}}
    state = {
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": terminated,
    }
    status = {"status": {"phase": "Failed", "containerStatuses": [state]}}
    cluster.core.patch_namespaced_pod_status(pod.metadata.name, namespace, status)


def test_backup_with_invalid_input_fails_without_a_retry(cluster: Cluster) -> None:
    cluster.start(registry_backup_spec.cron_job(registry_backup()), "invalid", **{"sandbox/run-seconds": "3600"})
    (pod,) = wait_for(lambda: running(cluster.pods(REGISTRY, "invalid")))
    fail(cluster, REGISTRY, pod, Exit.INVALID)

    assert wait_for(lambda: cluster.ended(REGISTRY, "invalid")) == "Failed: PodFailurePolicy"


def test_failed_backup_is_retried(cluster: Cluster) -> None:
    cluster.start(registry_backup_spec.cron_job(registry_backup()), "again", **{"sandbox/run-seconds": "600"})
    (pod,) = wait_for(lambda: running(cluster.pods(REGISTRY, "again")))
    fail(cluster, REGISTRY, pod, Exit.FAILED)

    wait_for(lambda: len(cluster.pods(REGISTRY, "again")) == 2)
    assert cluster.ended(REGISTRY, "again") is None


@pytest.mark.parametrize(
    ("what", "break_it"),
    [
        ("runAsNonRoot", lambda pod: pod["securityContext"].pop("runAsNonRoot")),
        ("seccompProfile", lambda pod: pod["securityContext"].pop("seccompProfile")),
        ("unrestricted capabilities", lambda pod: pod["containers"][0]["securityContext"].pop("capabilities")),
    ],
)
def test_namespace_refuses_a_pod_with_a_weaker_security_context(
    cluster: Cluster, what: str, break_it: Callable[[Any], object]
) -> None:
    template = registry_backup_spec.cron_job(registry_backup(Role.PRIMARY))["spec"]["jobTemplate"]["spec"]["template"]
    break_it(template["spec"])

    with pytest.raises(ApiException, match=what):
        cluster.core.create_namespaced_pod(
            REGISTRY, {"metadata": {"name": "loose"}, "spec": template["spec"]}, dry_run="All"
        )


def test_snapshot_class_is_validated_by_the_definitions_of_the_add_on(cluster: Cluster) -> None:
    addon_definitions.install(cluster.plane, "snapshot-controller")
    addon_definitions.install(cluster.plane, "snapshot-controller")
    addon_definitions.install(cluster.plane, "coredns")
    cluster.apply(protection_spec.snapshot_class())

    with pytest.raises(UnprocessibleEntityError, match="deletionPolicy"):
        cluster.apply({**protection_spec.snapshot_class(), "deletionPolicy": "Keep"})


def test_processing_cron_job_is_suspended_and_has_no_job(cluster: Cluster) -> None:
    cron_job = cluster.batch.read_namespaced_cron_job("process-datasets", TRAINING)

    assert cron_job.spec.suspend
    assert not cron_job.status.active
