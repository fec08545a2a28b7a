"""Objects of Prometheus and Karpenter on a real API server with the definitions of their charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kubernetes.client import ApiException, ApiextensionsV1Api, CoreV1Api, CustomObjectsApi

from components.kubernetes.alerts import pod_monitor, prometheus_rule
from components.kubernetes.labels import SERVING
from components.kubernetes.node_pool_spec import NodePoolSpec, node_class, node_pool
from dr.clusters.charts import NODE_MAKER, PROMETHEUS
from dr.topology.topology import Role
from sandbox.control_plane.control_plane import ControlPlane
from stacks.kubernetes import watched
from tests.support.builders import topology
from tests.support.charts import served_definitions
from tests.support.kubernetes import POOL
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def objects(control_plane: ControlPlane) -> Iterator[CustomObjectsApi]:
    api = control_plane.api()
    extensions, core = ApiextensionsV1Api(api), CoreV1Api(api)
    made = [each for chart in (PROMETHEUS, NODE_MAKER) for each in served_definitions(chart)]
    for each in made:
        extensions.create_custom_resource_definition(each)
    core.create_namespace({"metadata": {"name": SERVING}})

    def established() -> bool:
        found = [extensions.read_custom_resource_definition(each["metadata"]["name"]) for each in made]
        return all(
            any(one.type == "Established" and one.status == "True" for one in each.status.conditions or ())
            for each in found
        )

    wait_for(established)
    yield CustomObjectsApi(api)
    core.delete_namespace(SERVING)
    for each in made:
        extensions.delete_custom_resource_definition(each["metadata"]["name"])


def create(objects: CustomObjectsApi, manifest: dict[str, Any]) -> dict[str, Any]:
    """Create an object in a dry run; the server refuses fields that its definition does not list."""
    group, version = manifest["apiVersion"].split("/")
    plural = {"EC2NodeClass": "ec2nodeclasses"}.get(manifest["kind"], f"{manifest['kind'].lower()}s")
    strict = {"field_validation": "Strict", "dry_run": "All"}
    if space := manifest["metadata"].get("namespace"):
        made = objects.create_namespaced_custom_object(group, version, space, plural, manifest, **strict)
    else:
        made = objects.create_cluster_custom_object(group, version, plural, manifest, **strict)
    return dict(made)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("tier", ["pilot", "warm", "active"])
def test_prometheus_rules_of_every_tier_and_role_are_accepted(objects: CustomObjectsApi, role: Role, tier: str) -> None:
    rule = prometheus_rule(watched(topology(role, tier=tier, runbookUrl="https://runbooks.example.com/ml-dr"), True))

    assert create(objects, rule)["spec"] == rule["spec"]


def test_pod_monitor_is_accepted(objects: CustomObjectsApi) -> None:
    assert create(objects, pod_monitor())["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"


@pytest.mark.parametrize("spec", [POOL, replace(POOL, reserved={})], ids=["reserved", "on demand"])
def test_karpenters_node_class_and_node_pool_are_accepted(objects: CustomObjectsApi, spec: NodePoolSpec) -> None:
    assert create(objects, node_class(spec))["spec"]["instanceProfile"] == "nodes"
    assert create(objects, node_pool(spec))["spec"]["limits"] == {"nvidia.com/gpu": "7"}


def test_object_with_an_unknown_field_is_refused(objects: CustomObjectsApi) -> None:
    wrong = prometheus_rule(watched(topology(), True))
    wrong["spec"]["groups"][0]["rules"][0]["severity"] = "critical"
    with pytest.raises(ApiException, match="severity"):
        create(objects, wrong)
