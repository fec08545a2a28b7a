"""All Kubernetes objects of the program, in every tier and with every option that adds or changes an object."""

import json
import re
from collections.abc import Iterator
from functools import reduce
from typing import Any

import jsonschema
import pytest

from components.pod_code import PodCode, pod_code
from dr.clusters.versions import TABLE
from stacks import kubernetes
from tests.support.mocks import Cloud, RecordedResource
from tests.support.program import VPC, first_deployment, run_first_deployment
from tests.support.schemas import validate

MAJOR, MINOR = TABLE.kubernetes.split(".")
VERSIONS = (TABLE.kubernetes, f"{MAJOR}.{int(MINOR) + 1}")
REGISTRY = {"registry": "mlflow", "registryImage": "docker.io/registry:1"}
PROGRAMS: dict[str, tuple[str, dict[str, str]]] = {
    "primary": ("primary", {}),
    "primary without mesh": ("primary", {"mesh": "false"}),
    "pilot": ("dr", {"tier": "pilot"}),
    "warm": ("dr", {"tier": "warm"}),
    "active, karpenter, shared mesh": ("dr", {"tier": "active", "karpenter": "true", "sharedMesh": "true"}),
    "karpenter, reserved": ("dr", {"tier": "warm", "karpenter": "true", "reservedGpuNodes": "2"}),
    "large replicas": ("dr", {"tier": "warm", "gpuInstanceTypes": '["g5.12xlarge"]', "gpusPerReplica": "4"}),
    "tags, runbook, alerts": (
        "dr",
        {"tags": '{"team": "ml"}', "runbookUrl": "https://example.com/r", "alertAddresses": '["a@example.com"]'},
    ),
    "registry": ("primary", REGISTRY),
    "registry in the recovery region": ("dr", {"tier": "pilot", **REGISTRY}),
    "existing cluster": ("dr", {"tier": "warm", "existingCluster": "theirs", "existingVpc": VPC}),
}
WORKLOADS = ("Deployment", "CronJob", "StatefulSet", "DaemonSet", "Job", "Pod")


def objects(cloud: Cloud) -> list[RecordedResource]:
    """Return objects with a manifest: all except chart releases and the provider."""
    return [each for each in cloud.resources if each.type.startswith("kubernetes:") and "apiVersion" in each.inputs]


def manifest(each: RecordedResource) -> Any:
    """Return an object's manifest with IDs in AWS's format: the cloud in memory uses names in its IDs."""
    return json.loads(re.sub(r'"(subnet|sg)-[a-z-]+"', r'"\1-0a"', json.dumps(each.inputs)))


def made(program: str) -> Cloud:
    stack, changes = PROGRAMS[program]
    return first_deployment(stack, **changes)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_object_is_valid_services_are_not_awaited_and_config_map_outputs_are_unused(
    program: str,
) -> None:
    cloud = made(program)
    found = objects(cloud)

    others = {each.type for each in cloud.resources if each.type.startswith("kubernetes:") and each not in found}
    assert others <= {"kubernetes:helm.sh/v3:Release"}
    for each in found:
        for version in VERSIONS:
            validate(manifest(each), version)
    # The plugin waits for Endpoints, which no controller fills here.
    services = [each.inputs["metadata"]["annotations"] for each in found if each.inputs["kind"] == "Service"]
    assert services
    assert {annotations.get("pulumi.com/skipAwait") for annotations in services} == {"true"}
    # The plugin deletes a ConfigMap before replacing it, and the engine then replaces resources that use its outputs.
    uses = [(each.name, urns) for each in cloud.resources for urns in each.sources.values()]
    assert not [(name, urn) for name, urns in uses for urn in urns if ":ConfigMap::" in urn]
    assert not [each.name for each in found if each.delete_before_replace]


def typos(value: Any) -> Iterator[Any]:
    """Yield copies with one field name misspelled, for each field outside maps with arbitrary keys."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, dict | list):
                yield from ({**value, key: changed} for changed in typos(inner))
            if len(key) > 3 and key.isalpha():
                yield {**{name: each for name, each in value.items() if name != key}, f"{key[:-1]}x": inner}
    if isinstance(value, list):
        for place, inner in enumerate(value):
            yield from ([*value[:place], changed, *value[place + 1 :]] for changed in typos(inner))


FREE = {"data", "labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests", "hard", "config"}
FREE |= {"parameters", "default", "defaultRequest", "failover", "max", "min", "tags"}
"""Maps with arbitrary keys: a schema cannot detect a misspelled key."""


def without_free_maps(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: without_free_maps(inner)
            for key, inner in value.items()
            if not (key in FREE and isinstance(inner, dict))
        }
    return [without_free_maps(each) for each in value] if isinstance(value, list) else value


def test_misspelled_field_anywhere_in_a_deployment_is_detected() -> None:
    deployment = without_free_maps(made("warm").one("Deployment", "serving-deployment"))
    validate(deployment | {"spec": deployment["spec"] | {"selector": {}}}, TABLE.kubernetes)
    missed = []
    for wrong in typos(deployment):
        try:
            validate(wrong, TABLE.kubernetes)
        except (jsonschema.ValidationError, KeyError, LookupError):
            continue
        missed.append(wrong)

    assert missed == []


@pytest.mark.parametrize(
    ("kind", "path", "typo"),
    [
        ("CronJob", ["spec", "jobTemplate", "spec", "template", "spec", "containers", 0], "terminationMesagePolicy"),
        ("NetworkPolicy", ["spec", "ingress", 0], "port"),
        ("HorizontalPodAutoscaler", ["spec", "behavior", "scaleDown"], "policys"),
        ("PodDisruptionBudget", ["spec"], "minAvailabel"),
        ("ServiceAccount", ["metadata"], "annotation"),
        ("TargetGroupBinding", ["spec", "serviceRef"], "prot"),
        ("DestinationRule", ["spec", "trafficPolicy", "outlierDetection"], "consecutive5xxErors"),
        ("VirtualService", ["spec", "http", 0, "retries"], "attempt"),
        ("Schedule", ["spec", "template"], "snapshotMoveDate"),
        ("BackupStorageLocation", ["spec", "objectStorage"], "prefx"),
        ("VolumeSnapshotClass", [], "deletionPolcy"),
        ("PodMonitor", ["spec", "podMetricsEndpoints", 0], "pth"),
        ("PrometheusRule", ["spec", "groups", 0, "rules", 0], "exprs"),
        ("NodePool", ["spec", "disruption"], "consolidateAfer"),
        ("EC2NodeClass", ["spec"], "instanceProfil"),
    ],
)
def test_misspelled_nested_field_is_detected_in_every_kind(kind: str, path: list[Any], typo: str) -> None:
    cloud = made("active, karpenter, shared mesh")
    (wrong, place), *_ = (
        (whole, part)
        for whole in (manifest(each) for each in objects(cloud) if each.inputs["kind"] == kind)
        if (part := at(whole, path)) is not None
    )
    place[typo] = "value"

    with pytest.raises(jsonschema.ValidationError, match=typo):
        validate(wrong, TABLE.kubernetes)


def at(whole: Any, path: list[Any]) -> Any:
    """Return the part of a manifest at a path, or None."""
    try:
        return reduce(lambda part, step: part[step], path, whole)
    except (KeyError, IndexError):
        return None


def test_changed_code_creates_a_new_config_map_before_the_old_one_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a new logical name: Pulumi creates it, updates objects that refer to it, and then deletes the old one."""
    before = made("warm")

    def changed(entry: str) -> PodCode:
        code = pod_code(entry)
        return PodCode(code.entry, {**code.data, "dr.more.py": "changed\n"}, code.items)

    monkeypatch.setattr(kubernetes, "pod_code", changed)
    after = run_first_deployment("dr", tier="warm")

    def config_maps(cloud: Cloud) -> dict[str, str]:
        return {name: each.inputs["metadata"]["name"] for name, each in cloud.of("ConfigMap").items()}

    def workloads(cloud: Cloud) -> str:
        return json.dumps([each.inputs for each in objects(cloud) if each.inputs["kind"] in WORKLOADS])

    other = {name for name in config_maps(before) if "proxy" in name or "runbook" in name}
    old, new = (
        {name: made for name, made in config_maps(cloud).items() if name not in other} for cloud in (before, after)
    )
    assert len(old) == len(new) == 3
    assert other <= config_maps(after).keys(), "what they hold has not changed"
    assert not old.keys() & new.keys()
    assert not set(old.values()) & set(new.values())
    for cloud, names in ((before, old), (after, new)):
        assert all(f'"name": "{name}"' in workloads(cloud) for name in names.values())
