"""Objects through their life: applied, compared, taken over, changed by others, and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugin import UNKNOWN
from tests.integration.kubernetes_plugin.harness import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    NAMESPACE,
    QUOTA,
    SECRET,
    SERVICE,
    By,
    Hand,
    config_map,
    deployment,
    error_of,
)
from tests.integration.provider.harness import Engine, Managed

SKIP = {"pulumi.com/skipAwait": "true"}


def test_an_object_is_made_changed_refreshed_and_deleted(engine: Engine, hand: Hand, namespace: str) -> None:
    first = deployment(namespace, "life", annotations=SKIP)
    made = engine.make(DEPLOYMENT, "life", **first)
    assert made.id == f"{namespace}/life"
    assert made.state["__fieldManager"].startswith("pulumi-kubernetes-")

    assert made.changes(**first) == {}, "a second `up` would change something"
    assert made.refresh()
    assert made.changes(**first) == {}, "a refresh finds drift where there is none"

    second = deployment(namespace, "life", replicas=0, annotations=SKIP)
    assert made.changes(**second) == {"spec.replicas": "UPDATE"}
    assert made.update(preview=True, **second)["spec"]["replicas"] == 0
    made.update(**second)
    live = hand.read("apps/v1", "Deployment", namespace, "life")
    assert live["spec"]["replicas"] == 0
    assert {entry["manager"] for entry in live["metadata"]["managedFields"] if entry["operation"] == "Apply"} == {
        made.state["__fieldManager"]
    }

    made.delete()
    assert not made.refresh()
    made.delete()  # what is gone already is deleted well


def test_what_the_server_spells_otherwise_is_no_change_and_no_drift(engine: Engine, namespace: str) -> None:
    limits = {"resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}}, "env": [{"name": "A"}]}
    inputs = deployment(namespace, "spelling", annotations=SKIP, container=limits, pod={"hostNetwork": False})
    made = engine.make(DEPLOYMENT, "spelling", **inputs)
    assert made.state["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "1"
    before = made.inputs
    assert made.refresh()
    assert made.inputs == before
    limits["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
    again = deployment(namespace, "spelling", annotations=SKIP, container=limits, pod={"hostNetwork": False})
    assert made.changes(**again) == {}
    limits["resources"] = {"requests": {"cpu": "2", "memory": "1Gi"}}
    again = deployment(namespace, "spelling", annotations=SKIP, container=limits, pod={"hostNetwork": False})
    path = "spec.template.spec.containers[0].resources.requests.cpu"
    assert made.changes(**again) == {path: "UPDATE"}


def test_a_field_left_out_is_let_go(engine: Engine, hand: Hand, namespace: str) -> None:
    made = engine.make(DEPLOYMENT, "released", **deployment(namespace, "released", replicas=3, annotations=SKIP))
    hand.patch(made.state, {"spec": {"replicas": 3}}, By.SOMEBODY)
    without = deployment(namespace, "released", replicas=None, annotations=SKIP)
    assert made.changes(**without) == {"spec.replicas": "DELETE"}
    made.update(**without)
    hand.patch(made.state, {"spec": {"replicas": 5}}, By.SOMEBODY)
    made.update(**deployment(namespace, "released", replicas=None, annotations={**SKIP, "a": "b"}))
    live = hand.read("apps/v1", "Deployment", namespace, "released")
    assert live["spec"]["replicas"] == 5


# What replaces ----------------------------------------------------------------------------------------------------

TEMPLATE = {"spec": {"containers": [{"name": "a", "image": "b"}], "restartPolicy": "Never"}}


@pytest.mark.parametrize(
    ("token", "old", "new", "path"),
    [
        (CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2"}}, "data.a"),
        (SECRET, {"stringData": {"a": "1"}}, {"stringData": {"a": "2"}}, "stringData.a"),
        (JOB, {"spec": {"template": TEMPLATE}}, {"spec": {"template": TEMPLATE, "parallelism": 2}}, "spec.parallelism"),
        (SERVICE, {"spec": {"ports": []}}, {"spec": {"ports": [], "clusterIP": "None"}}, "spec.clusterIP"),
        (QUOTA, {"spec": {"scopes": ["BestEffort"]}}, {"spec": {"scopes": []}}, "spec.scopes[0]"),
    ],
)
def test_what_cannot_be_changed_in_place_is_replaced_and_deleted_first(
    engine: Engine, token: str, old: dict[str, Any], new: dict[str, Any], path: str
) -> None:
    meta = {"metadata": {"name": "replaced", "namespace": "default"}}
    managed = Managed(engine, token, "replaced", "default/replaced")
    managed.inputs = managed.checked({**meta, **old})
    managed.state = managed.inputs
    answer = managed.diff(**meta, **new)
    assert list(answer.replaces) == [path]
    assert answer.deleteBeforeReplace

    elsewhere = managed.diff(metadata={"name": "other", "namespace": "default"}, **old)
    assert list(elsewhere.replaces) == ["metadata.name"]
    assert not elsewhere.deleteBeforeReplace


def test_a_config_map_is_replaced_unless_it_may_change(engine: Any, hand: Hand, namespace: str) -> None:
    made = engine.make(CONFIG_MAP, "content", **config_map(namespace, "content", a="1"))
    changed = config_map(namespace, "content", a="2")
    assert made.changes(**changed) == {"data.a": "UPDATE_REPLACE"}
    made.delete()
    made = engine.make(CONFIG_MAP, "content", **changed)
    live = hand.read("v1", "ConfigMap", namespace, "content")
    assert live["data"] == {"a": "2"}

    engine.configure(enableConfigMapMutable="true")
    assert made.changes(**config_map(namespace, "content", a="3")) == {"data.a": "UPDATE"}


def test_a_name_is_made_up_and_kept_and_lets_the_new_one_come_first(engine: Engine, namespace: str) -> None:
    inputs = {"metadata": {"namespace": namespace}, "data": {"a": "1"}}
    made = engine.make(CONFIG_MAP, "unnamed", **inputs)
    name = made.state["metadata"]["name"]
    assert name.startswith("unnamed-")
    assert made.state["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    assert made.changes(**inputs) == {}
    answer = made.diff(metadata={"namespace": namespace}, data={"a": "2"})
    assert list(answer.replaces) == ["data.a"]
    assert not answer.deleteBeforeReplace


# Others ------------------------------------------------------------------------------------------------------------


def test_a_field_that_was_edited_by_hand_is_drift_and_a_conflict_that_names_it(
    engine: Engine, hand: Hand, namespace: str
) -> None:
    inputs = deployment(namespace, "edited", replicas=2, annotations=SKIP)
    made = engine.make(DEPLOYMENT, "edited", **inputs)
    hand.patch(made.state, {"spec": {"replicas": 4}})

    assert made.refresh()
    assert made.changes(**inputs) == {"spec.replicas": "UPDATE"}
    for preview in (True, False):
        error = error_of(lambda preview=preview: made.update(preview=preview, **inputs)).details()
        assert "spec.replicas is held by kubectl-edit" in error
        assert 'pulumi.com/patchForce: "true"' in error

    forced = deployment(namespace, "edited", replicas=2, annotations={**SKIP, "pulumi.com/patchForce": "true"})
    made.update(**forced)
    live = hand.read("apps/v1", "Deployment", namespace, "edited")
    assert live["spec"]["replicas"] == 2


def test_what_others_add_is_no_drift(engine: Engine, hand: Hand, namespace: str) -> None:
    inputs = deployment(namespace, "added", annotations=SKIP)
    made = engine.make(DEPLOYMENT, "added", **inputs)
    hand.patch(made.state, {"metadata": {"labels": {"cost": "1"}}, "spec": {"minReadySeconds": 7}})
    assert made.refresh()
    assert made.changes(**inputs) == {}


def test_what_others_deleted_is_gone_and_made_again(engine: Engine, hand: Hand, namespace: str) -> None:
    inputs = config_map(namespace, "gone", a="1")
    made = engine.make(CONFIG_MAP, "gone", **inputs)
    hand.delete(made.state)
    assert not made.refresh()
    assert engine.make(CONFIG_MAP, "gone", **inputs).id


def test_what_is_there_already_is_not_taken_over_unless_told(engine: Any, hand: Hand, namespace: str) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", **config_map(namespace, "theirs", a="1")}
    hand.put(theirs, By.SOMEBODY)
    inputs = config_map(namespace, "theirs", b="2")
    assert engine.preview(CONFIG_MAP, "theirs", **inputs)["data"] == {"b": "2"}
    error = error_of(lambda: engine.make(CONFIG_MAP, "theirs", **inputs)).details()
    assert f"it already exists: {namespace}/theirs" in error
    engine.configure(upsertExistingObjects="true")
    engine.make(CONFIG_MAP, "theirs", **inputs)
    live = hand.read("v1", "ConfigMap", namespace, "theirs")
    assert live["data"] == {"a": "1", "b": "2"}


def test_an_object_that_exists_is_imported(engine: Engine, hand: Hand, namespace: str) -> None:
    hand.put({"apiVersion": "v1", "kind": "ConfigMap", **config_map(namespace, "old", a="1")}, By.SOMEBODY)
    found = engine.read(CONFIG_MAP, f"{namespace}/old")
    assert found.inputs["data"] == {"a": "1"}
    assert set(found.inputs["metadata"].keys()) == {"name", "namespace"}


# What the API server refuses -----------------------------------------------------------------------------------------


def test_a_preview_shows_what_the_schema_refuses(engine: Engine, namespace: str) -> None:
    wrong = deployment(namespace, "wrong", pod={"restartPolicies": "Never"})
    error = error_of(lambda: engine.preview(DEPLOYMENT, "wrong", **wrong)).details()
    assert "restartPolicies" in error

    made = engine.make(DEPLOYMENT, "right", **deployment(namespace, "right", annotations=SKIP))
    invalid = deployment(namespace, "right", replicas=-1, annotations=SKIP)
    error = error_of(lambda: made.update(preview=True, **invalid)).details()
    assert "spec.replicas: Invalid value: -1" in error


def test_a_preview_says_what_a_quota_would_refuse(engine: Engine, hand: Hand, namespace: str, log: Any) -> None:
    none = {"metadata": {"name": "none", "namespace": namespace}, "spec": {"hard": {"count/configmaps": "0"}}}
    engine.make(QUOTA, "none", **none)
    outputs = engine.preview(CONFIG_MAP, "over", **config_map(namespace, "over", a="1"))
    assert outputs["data"] == {"a": "1"}
    assert "exceeded quota: none" in log.text
    error = error_of(lambda: engine.make(CONFIG_MAP, "over", **config_map(namespace, "over", a="1"))).details()
    assert "exceeded quota: none" in error


def test_a_preview_goes_on_where_its_namespace_is_to_come(engine: Engine) -> None:
    assert engine.preview(CONFIG_MAP, "early", **config_map("to-come", "early", a="1"))["data"] == {"a": "1"}
    error = error_of(lambda: engine.make(CONFIG_MAP, "early", **config_map("to-come", "early", a="1")))
    assert 'namespaces "to-come" not found' in error.details()


def test_a_preview_goes_on_where_values_are_to_come(engine: Engine, namespace: str) -> None:
    inputs = config_map(namespace, "unknown", a=UNKNOWN)
    assert engine.preview(CONFIG_MAP, "unknown", **inputs)["data"] == {"a": UNKNOWN}
    made = engine.make(CONFIG_MAP, "unknown", **config_map(namespace, "unknown", a="1"))
    assert made.changes(**inputs) == {"data.a": "UPDATE_REPLACE"}


def test_a_preview_makes_nothing(engine: Engine, hand: Hand, namespace: str) -> None:
    shown = engine.preview(DEPLOYMENT, "planned", **deployment(namespace, "planned"))
    assert shown["spec"]["progressDeadlineSeconds"] == 600
    assert "status" not in shown
    assert shown["metadata"]["uid"] == UNKNOWN
    assert hand.find("apps/v1", "Deployment", namespace, "planned") is None


# Deletion ------------------------------------------------------------------------------------------------------------


def test_a_deletion_waits_for_finalizers_and_names_them(engine: Engine, hand: Hand, namespace: str) -> None:
    inputs = config_map(namespace, "held", a="1")
    inputs["metadata"] |= {"finalizers": ["example.com/hold"], "annotations": {"pulumi.com/timeoutSeconds": "1"}}
    made = engine.make(CONFIG_MAP, "held", **inputs)
    error = error_of(made.delete).details()
    assert "still there after 1 s: waits for its finalizers: example.com/hold" in error
    live = hand.read("v1", "ConfigMap", namespace, "held")
    hand.patch(live, {"metadata": {"finalizers": None}})
    made.delete()


def test_a_namespace_that_cannot_go_says_what_is_left_in_it(engine: Engine, hand: Hand) -> None:
    meta = {"name": "going", "annotations": {"pulumi.com/timeoutSeconds": "8"}}
    made = engine.make(NAMESPACE, "going", metadata=meta)
    inside = config_map("going", "inside", a="1")
    inside["metadata"]["finalizers"] = ["example.com/hold"]
    hand.put({"apiVersion": "v1", "kind": "ConfigMap", **inside}, By.SOMEBODY)
    error = error_of(made.delete).details()
    assert "example.com/hold in 1 resource instances" in error
    live = hand.read("v1", "ConfigMap", "going", "inside")
    hand.patch(live, {"metadata": {"finalizers": None}})
    made.delete()
    assert hand.find("v1", "Namespace", "", "going") is None


# Inputs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (CONFIG_MAP, {"kind": "Secret"}, "it is 'Secret', and the resource type says 'ConfigMap'"),
        (CONFIG_MAP, {"metadata": {"generateName": "a-"}}, "does not work with server-side apply"),
        (
            CONFIG_MAP,
            {"metadata": {"name": "a", "annotations": {"pulumi.com/timeoutSeconds": "soon"}}},
            "'soon' is no number of seconds",
        ),
        (
            CONFIG_MAP,
            {"metadata": {"name": "a", "annotations": {"pulumi.com/waitFor": "phase=Running"}}},
            "not carried by the sandbox: phase=Running",
        ),
    ],
)
def test_inputs_that_cannot_be_are_named(engine: Engine, token: str, inputs: dict[str, Any], reason: str) -> None:
    (failure,) = engine.check(token, "wrong", inputs).failures
    assert reason in failure.reason


@pytest.mark.parametrize(
    "token",
    ["kubernetes:yaml/v2:ConfigGroup", "kubernetes:helm.sh/v4:Chart", "kubernetes:apps/v1:DeploymentPatch"],
)
def test_a_type_nobody_carries_is_named(engine: Engine, token: str) -> None:
    assert (
        f"not carried by the sandbox: resource type {token}" in error_of(lambda: engine.check(token, "x", {})).details()
    )


def test_what_is_cluster_wide_gets_no_namespace_and_what_is_not_gets_the_default(engine: Engine) -> None:
    assert "namespace" not in engine.check(NAMESPACE, "a", {"metadata": {"name": "a"}}).inputs["metadata"]
    checked = engine.check(CONFIG_MAP, "a", {"metadata": {"name": "a"}}).inputs
    assert checked["metadata"]["namespace"] == "default"
    assert (checked["apiVersion"], checked["kind"]) == ("v1", "ConfigMap")
