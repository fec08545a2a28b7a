"""Waits against the real scheduler and controllers: until something is ready, or why it is not."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty

from tests.integration.kubernetes_plugin.harness import (
    CRD,
    DEPLOYMENT,
    JOB,
    QUOTA,
    SERVICE,
    WIDGET,
    By,
    Hand,
    config_map,
    deployment,
    error_of,
    partly_done,
)
from tests.integration.provider.harness import Engine, Managed

SOON = {"pulumi.com/timeoutSeconds": "4"}


@pytest.fixture(scope="session")
def node(hand: Hand) -> dict[str, Any]:
    """A pod's spec that leads to a node, where kwok makes it ready."""
    hand.node("awaiting")
    return {"nodeSelector": {"for": "awaiting"}}


def test_a_deployment_is_done_when_its_pods_are_ready(engine: Engine, namespace: str, node: dict[str, Any]) -> None:
    made = engine.make(DEPLOYMENT, "ready", **deployment(namespace, "ready", replicas=2, pod=node, annotations=SOON))
    assert made.state["status"]["availableReplicas"] == 2
    changed = deployment(namespace, "ready", replicas=2, pod=node, container={"image": "example.com/main:2"})
    made.update(**changed)
    assert made.state["status"]["updatedReplicas"] == made.state["status"]["replicas"] == 2
    assert made.changes(**changed) == {}
    assert made.refresh()
    assert made.changes(**changed) == {}


@pytest.mark.parametrize("replicas", [None, 0])
def test_a_deployment_without_a_number_or_of_none_does_not_hang(
    engine: Engine, namespace: str, node: dict[str, Any], replicas: int | None
) -> None:
    name = f"of-{replicas}".lower()
    made = engine.make(DEPLOYMENT, name, **deployment(namespace, name, replicas=replicas, pod=node))
    assert made.state["status"].get("availableReplicas", 0) == (1 if replicas is None else 0)


def test_pods_that_no_node_takes_are_told_with_the_schedulers_words(
    engine: Engine, namespace: str, log: Any, node: dict[str, Any]
) -> None:
    nowhere = {"nodeSelector": {"for": "nobody"}}
    inputs = deployment(namespace, "pending", replicas=3, pod=nowhere, annotations=SOON)
    error = error_of(lambda: engine.make(DEPLOYMENT, "pending", **inputs))
    assert "not ready after 4 s; 0 of 3 pods available" in error.details()
    assert "3 pods: Unschedulable: 0/" in error.details()
    assert "didn't match Pod's node affinity/selector" in error.details()
    told = [line for line in log.lines if line.ephemeral and "Unschedulable" in line.message]
    assert told[0].urn.endswith("::pending")

    # It is there and kept, and the next deployment goes on from it.
    id, state = partly_done(error)
    made = Managed(engine, DEPLOYMENT, "pending", id, state=state)
    made.update(**deployment(namespace, "pending", replicas=3, pod=node, annotations=SOON))
    assert made.state["status"]["availableReplicas"] == 3


def test_a_refresh_says_what_is_not_ready_and_keeps_it(engine: Engine, namespace: str) -> None:
    skip = {"pulumi.com/skipAwait": "true"}
    nowhere = {"nodeSelector": {"for": "nobody"}}
    made = engine.make(DEPLOYMENT, "later", **deployment(namespace, "later", pod=nowhere, annotations=skip))
    assert made.refresh(), "nobody wants to know of a readiness that was not waited for"
    made.update(**deployment(namespace, "later", pod=nowhere, replicas=0))
    made.inputs["spec"]["replicas"] = 1
    made.state["metadata"].pop("annotations", None)
    engine_side = error_of(lambda: made.update(**deployment(namespace, "later", pod=nowhere, annotations=SOON)))
    id, made.state = partly_done(engine_side)
    error = error_of(made.refresh)
    assert partly_done(error)[0] == id
    assert "0 of 1 pods available" in error.details()


def test_a_quota_that_allows_no_pod_is_told(engine: Engine, namespace: str, node: dict[str, Any]) -> None:
    engine.make(QUOTA, "few", metadata={"name": "few", "namespace": namespace}, spec={"hard": {"pods": "0"}})
    inputs = deployment(namespace, "refused", pod=node, annotations=SOON)
    error = error_of(lambda: engine.make(DEPLOYMENT, "refused", **inputs)).details()
    assert "exceeded quota: few" in error


def test_a_container_that_cannot_start_is_told(engine: Engine, namespace: str, node: dict[str, Any]) -> None:
    broken = {"image": "example.com/main:broken"}
    inputs = deployment(namespace, "image", replicas=2, pod=node, container=broken, annotations=SOON)
    error = error_of(lambda: engine.make(DEPLOYMENT, "image", **inputs)).details()
    assert "2 pods: container main: ErrImagePull: failed to pull image" in error


def test_a_job_is_done_when_it_is_complete_and_fails_when_it_does(
    engine: Engine, namespace: str, node: dict[str, Any]
) -> None:
    pod = {**node, "restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}
    meta = {"namespace": namespace, "annotations": {"pulumi.com/timeoutSeconds": "20"}}
    spec = {"template": {"spec": pod}, "completions": 2, "completionMode": "Indexed"}
    made = engine.make(JOB, "done", metadata={**meta, "name": "done"}, spec=spec)
    assert made.state["status"]["succeeded"] == 2

    late = {"template": {"spec": {**pod, "nodeSelector": {"for": "nobody"}}}, "activeDeadlineSeconds": 1}
    attempt = {"metadata": {**meta, "name": "late"}, "spec": late}
    error = error_of(lambda: engine.make(JOB, "late", **attempt)).details()
    assert "the job failed: DeadlineExceeded" in error


def test_a_service_waits_for_pods_and_a_load_balancer_for_its_address(
    engine: Engine, namespace: str, node: dict[str, Any]
) -> None:
    spec = {"selector": {"app": "served"}, "ports": [{"port": 80}]}
    meta = {"name": "served", "namespace": namespace, "annotations": {"pulumi.com/timeoutSeconds": "2"}}
    error = error_of(lambda: engine.make(SERVICE, "served", metadata=meta, spec=spec))
    assert "no pod matches its selector" in error.details()
    id, state = partly_done(error)
    engine.make(DEPLOYMENT, "served", **deployment(namespace, "served", pod=node))
    made = Managed(engine, SERVICE, "served", id, state=state)
    made.update(metadata=meta, spec=spec)

    outside = {**spec, "type": "LoadBalancer", "loadBalancerClass": "example.com/none"}
    error = error_of(lambda: made.update(metadata=meta, spec=outside)).details()
    assert "no load balancer has given it an address" in error
    meta["annotations"] = {"pulumi.com/skipAwait": "true"}
    made.update(metadata=meta, spec=outside)


def test_a_quota_is_in_force_when_it_is_done(engine: Engine, namespace: str) -> None:
    meta = {"name": "limits", "namespace": namespace}
    made = engine.make(QUOTA, "limits", metadata=meta, spec={"hard": {"pods": "7"}})
    assert made.state["status"]["hard"] == {"pods": "7"}


def test_what_a_program_waits_for_takes_the_place_of_what_the_kind_does(
    engine: Engine, hand: Hand, namespace: str
) -> None:
    inputs = config_map(namespace, "waited", a="1")
    inputs["metadata"]["annotations"] = {"pulumi.com/waitFor": "jsonpath={.data.done}=yes", **SOON}
    error = error_of(lambda: engine.make("kubernetes:core/v1:ConfigMap", "waited", **inputs))
    assert "jsonpath={.data.done}=yes is not so" in error.details()
    id, state = partly_done(error)
    hand.patch(hand.read("v1", "ConfigMap", namespace, "waited"), {"data": {"done": "yes"}})
    made = Managed(engine, "kubernetes:core/v1:ConfigMap", "waited", id, state=state)
    made.update(**inputs)


def test_a_wait_ends_when_the_engine_cancels(own_engine: Any, namespace: str) -> None:
    own_engine.configure()
    threading.Timer(1.0, lambda: own_engine.stub.Cancel(Empty())).start()
    nowhere = {"nodeSelector": {"for": "nobody"}}
    inputs = deployment(namespace, "stopped", pod=nowhere)
    error = error_of(lambda: own_engine.make(DEPLOYMENT, "stopped", **inputs))
    assert "the operation was cancelled" in error.details()
    assert partly_done(error)[0] == f"{namespace}/stopped"


# Custom resources ----------------------------------------------------------------------------------------------------


def test_a_definition_is_established_before_its_objects_and_their_schema_holds(
    engine: Engine, hand: Hand, namespace: str
) -> None:
    inputs = {"metadata": {"name": "one", "namespace": namespace}, "spec": {"size": 3}}
    assert engine.preview(WIDGET, "one", **inputs)["spec"] == {"size": 3}
    error = error_of(lambda: engine.make(WIDGET, "one", **inputs)).details()
    assert "the API server does not serve example.com/v1 Widget: install the definition" in error

    schema = {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}},
    }
    names = {"kind": "Widget", "plural": "widgets"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    definition = engine.make(CRD, "widgets", metadata={"name": "widgets.example.com"}, spec=spec)
    conditions = {each["type"]: each["status"] for each in definition.state["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert definition.changes(metadata={"name": "widgets.example.com"}, spec=spec) == {}

    made = engine.make(WIDGET, "one", **inputs)
    assert made.changes(**inputs) == {}
    assert made.refresh()
    wrong = {"metadata": {"name": "two", "namespace": namespace}, "spec": {}}
    for attempt in (engine.preview, engine.make):
        assert "spec.size: Required value" in error_of(lambda a=attempt: a(WIDGET, "two", **wrong)).details()
    hand.put({"apiVersion": "example.com/v1", "kind": "Widget", **inputs}, By.SOMEBODY)

    definition.delete()
    assert not made.refresh(), "a kind that is no longer served has no objects"
    made.delete()
