"""The pure half of the Kubernetes plugin's stand-in: differences, drift, readiness by kind, charts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.kubernetes import charts, kinds
from sandbox.kubernetes.awaiting import Failed, stalled, unready, wait_for_problem
from sandbox.kubernetes.diff import Change, Path, differences, drifted, replaces, shown
from sandbox.kubernetes.reasons import explain
from sandbox.kubernetes.settings import Settings
from sandbox.plugin import UNKNOWN

# Differences ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": Change.UPDATE}),
        ({}, {"a": {"b": 1}}, {"a": Change.ADD}),
        ({"a": [1, 2]}, {"a": [1]}, {"a[1]": Change.DELETE}),
        ({"a": {"x/y": 1}}, {"a": {"x/y": 2}}, {'a["x/y"]': Change.UPDATE}),
        ({"a": {"b": 1}}, {"a": UNKNOWN}, {"a": Change.UPDATE}),
    ],
)
def test_a_difference_is_named_by_its_path(old: Any, new: Any, expected: dict[str, Change]) -> None:
    assert {shown(path): change for path, change in differences(old, new)} == expected


@pytest.mark.parametrize(
    ("asked", "live", "applied", "expected"),
    [
        ({"cpu": "1000m"}, {"cpu": "1"}, {"cpu": "1"}, {"cpu": "1000m"}),
        ({"n": 2}, {"n": 4}, {"n": 2}, {"n": 4}),
        ({"n": 2, "m": 1}, {"m": 1}, {"n": 2, "m": 1}, {"m": 1}),
        ({"off": False}, {}, {}, {"off": False}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}]}, {"a": [{"b": 1, "c": 3}]}, {"a": [{"b": 2}]}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1]}, {"a": [1, 2]}),
    ],
)
def test_drift_is_what_applying_again_would_change(asked: Any, live: Any, applied: Any, expected: Any) -> None:
    assert drifted(asked, live, applied) == expected


@pytest.mark.parametrize(
    ("kind", "path", "inputs", "expected"),
    [
        ("apps/v1/Deployment", ("spec", "selector", "matchLabels", "a"), {}, True),
        ("apps/v1/Deployment", ("spec", "template"), {}, False),
        ("apps/v1/Deployment", ("spec",), {"spec": UNKNOWN}, False),
        ("apps/v1/Deployment", ("spec",), {"spec": {"selector": {}}}, True),
        ("v1/Pod", ("spec", "containers", 0, "image"), {}, True),
        ("v1/Pod", ("spec", "containers"), {"spec": {"containers": [{"image": "a"}]}}, True),
        ("v1/PersistentVolumeClaim", ("spec", "storageClassName"), {}, True),
        ("v1/Secret", ("type",), {}, True),
        ("rbac.authorization.k8s.io/v1/RoleBinding", ("roleRef", "name"), {}, True),
        ("policy/v1/PodDisruptionBudget", ("spec", "minAvailable"), {}, False),
        ("example.com/v1/Widget", ("metadata", "namespace"), {}, True),
    ],
)
def test_what_replaces_is_a_table(kind: str, path: Path, inputs: dict[str, Any], expected: bool) -> None:
    api_version, _, name = kind.rpartition("/")
    assert replaces(api_version, name, path, inputs, Settings()) is expected


def test_data_that_may_change_replaces_only_what_is_immutable() -> None:
    settings = Settings(config_maps_mutable=True, secrets_mutable=True)
    for kind in ("ConfigMap", "Secret"):
        assert not replaces("v1", kind, ("data", "a"), {}, settings)
        assert replaces("v1", kind, ("data", "a"), {"immutable": True}, settings)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("kubernetes:core/v1:ConfigMap", ("v1", "ConfigMap")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:elbv2.k8s.aws/v1beta1:TargetGroupBinding", ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding")),
        ("kubernetes:yaml/v2:ConfigGroup", None),
        ("kubernetes:helm.sh/v4:Chart", None),
        ("kubernetes:yaml:ConfigFile", None),
    ],
)
def test_a_token_names_a_kind(token: str, expected: tuple[str, str] | None) -> None:
    assert kinds.of_token(token) == expected


# Readiness -----------------------------------------------------------------------------------------------------------


def nothing(*_: str, **__: str) -> list[dict[str, Any]]:
    return []


def live(kind: str, spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    api_version, _, name = kind.rpartition("/")
    meta = {"name": "a", "namespace": "b", "generation": 2}
    return {"apiVersion": api_version, "kind": name, "metadata": meta, "spec": spec, "status": status}


SEEN = {"observedGeneration": 2}


@pytest.mark.parametrize(
    ("kind", "spec", "waiting", "reason", "ready"),
    [
        (
            "apps/v1/Deployment",
            {"replicas": 2},
            {**SEEN, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2},
            "1 pods of the version before are still there",
            {**SEEN, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
        ),
        ("apps/v1/Deployment", {"replicas": 0}, {"observedGeneration": 1}, "its controller has not seen it yet", SEEN),
        (
            "apps/v1/StatefulSet",
            {"replicas": 2},
            {**SEEN, "readyReplicas": 1},
            "1 of 2 pods ready",
            {**SEEN, "readyReplicas": 2},
        ),
        (
            "apps/v1/DaemonSet",
            {},
            {**SEEN, "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1},
            "1 of 2 pods available",
            SEEN,
        ),
        (
            "v1/ReplicationController",
            {"replicas": 1},
            SEEN,
            "0 of 1 pods available",
            {**SEEN, "replicas": 1, "availableReplicas": 1},
        ),
        (
            "networking.k8s.io/v1/Ingress",
            {},
            {"loadBalancer": {}},
            "no load balancer has given it an address",
            {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
        ),
        ("v1/PersistentVolume", {}, {"phase": "Pending"}, "the volume is Pending", {"phase": "Available"}),
        ("v1/PersistentVolumeClaim", {"storageClassName": "x"}, {}, "the claim is Pending", {"phase": "Bound"}),
        ("v1/ResourceQuota", {"hard": {"pods": "1"}}, {}, "its limits are not in force yet", {"hard": {"pods": "1"}}),
        (
            "v1/Pod",
            {},
            {"phase": "Running"},
            "the pod is Running and not ready",
            {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        ),
    ],
)
def test_a_kind_has_its_own_readiness(
    kind: str, spec: dict[str, Any], waiting: dict[str, Any], reason: str, ready: dict[str, Any]
) -> None:
    assert reason in unready(live(kind, spec, **waiting), nothing)
    assert unready(live(kind, spec, **ready), nothing) == []


def test_a_claim_that_waits_for_its_first_pod_is_as_ready_as_it_gets() -> None:
    late = [{"metadata": {"name": "late"}, "volumeBindingMode": "WaitForFirstConsumer"}]
    assert unready(live("v1/PersistentVolumeClaim", {"storageClassName": "late"}), lambda *_, **__: late) == []


@pytest.mark.parametrize("kind", ["v1/ConfigMap", "v1/ServiceAccount", "autoscaling/v2/HorizontalPodAutoscaler"])
def test_what_has_nothing_to_wait_for_is_ready(kind: str) -> None:
    assert unready(live(kind, {}), nothing) == []


def test_what_failed_for_good_is_not_waited_for() -> None:
    with pytest.raises(Failed, match="the pod failed: Evicted"):
        unready(live("v1/Pod", {}, phase="Failed", reason="Evicted"), nothing)


@pytest.mark.parametrize(
    ("wait_for", "holds"),
    [
        ("condition=Ready", True),
        ("condition=Ready=False", False),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={.status.phase}=Up", True),
        ("jsonpath={.status.phase}=Down", False),
        ('["condition=Ready", "jsonpath={.status.not}"]', False),
    ],
)
def test_a_program_may_say_what_to_wait_for(wait_for: str, holds: bool) -> None:
    assert not wait_for_problem(wait_for)
    conditions = [{"type": "Ready", "status": "True"}]
    assert (not unready(live("a/v1/B", {}, phase="Up", conditions=conditions), nothing, wait_for)) is holds


@pytest.mark.parametrize("wait_for", ["phase=Up", "jsonpath={.status.items[0]}", "[condition=Ready", "condition="])
def test_what_cannot_be_waited_for_is_named(wait_for: str) -> None:
    assert "not carried by the sandbox" in wait_for_problem(wait_for)


def test_reasons_of_pods_are_counted_and_a_dead_kubelet_is_one() -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": {}}
    told = explain(
        live("apps/v1/StatefulSet", {"selector": {"matchLabels": {"a": "b"}}}),
        lambda version, kind, *_, **__: [pod, pod] if kind == "Pod" else [],
    )
    assert told == ["2 pods: is on node n, whose kubelet has not taken it up"]


# Charts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "name"),
    [("velero", "velero"), ("istio/base", "base"), ("oci://registry.example.com/karpenter/karpenter", "karpenter")],
)
def test_a_chart_is_named_by_the_end_of_its_reference(reference: str, name: str) -> None:
    assert charts.chart_name(reference) == name


def test_every_chart_with_definitions_has_a_kind_and_those_without_have_none() -> None:
    assert all(charts.definitions(chart) for chart in charts.known_charts() if chart not in charts.BARE)
    assert not any(charts.definitions(chart) for chart in charts.BARE)


def rollout(reason: str, ago: float) -> dict[str, Any]:
    """A Deployment whose rollout made progress so many seconds ago, and may be without for 600."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    progressing = {"type": "Progressing", "reason": reason, "lastUpdateTime": at.isoformat()}
    return {"spec": {"progressDeadlineSeconds": 600}, "status": {"conditions": [progressing]}}


@pytest.mark.parametrize(
    ("live", "waited", "is_stalled"),
    [
        (rollout("ReplicaSetUpdated", ago=11), 11, True),
        (rollout("ReplicaSetUpdated", ago=9), 9, False),
        (rollout("ReplicaSetUpdated", ago=3600), 1, False),
        (rollout("NewReplicaSetAvailable", ago=3600), 3600, False),
        ({"status": {}}, 3600, False),
    ],
)
def test_a_rollout_is_stalled_without_progress_for_its_deadline_at_the_sandboxs_speed(
    live: dict[str, Any], waited: float, is_stalled: bool
) -> None:
    assert bool(stalled(live, waited)) is is_stalled
