"""Helm releases: recorded as Helm does, with the definitions of their charts."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes.charts import definitions, known_charts
from sandbox.kubernetes.releases import decoded
from sandbox.plugin import UNKNOWN
from tests.integration.kubernetes_plugin.harness import RELEASE, Hand, error_of
from tests.integration.provider.harness import Engine

REPOSITORY = {"repo": "https://charts.example.com"}


def velero(namespace: str, **changes: Any) -> dict[str, Any]:
    inputs = {"chart": "velero", "version": "11.0.0", "name": "velero", "namespace": namespace}
    return {**inputs, "repositoryOpts": REPOSITORY, "values": {"snapshotsEnabled": True}, **changes}


def test_a_release_lives_as_helms_do(engine: Engine, hand: Hand) -> None:
    inputs = velero("recorded", createNamespace=True)
    assert engine.preview(RELEASE, "velero", **inputs)["status"] == UNKNOWN
    made = engine.make(RELEASE, "velero", **inputs)
    assert made.id == "recorded/velero"
    assert made.state["status"]["revision"] == 1
    secret = hand.read("v1", "Secret", "recorded", "sh.helm.release.v1.velero.v1")
    assert secret["type"] == "helm.sh/release.v1"
    assert secret["metadata"]["labels"]["status"] == "deployed"
    assert decoded(secret)["config"] == {"snapshotsEnabled": True}
    assert made.changes(**inputs) == {}
    assert made.refresh()
    assert made.changes(**inputs) == {}

    changed = velero("recorded", createNamespace=True, version="11.1.0", values={"snapshotsEnabled": False})
    assert made.changes(**changed) == {"version": "UPDATE", "values.snapshotsEnabled": "UPDATE"}
    made.update(**changed)
    assert made.state["status"]["revision"] == 2
    before = hand.read("v1", "Secret", "recorded", "sh.helm.release.v1.velero.v1")
    assert before["metadata"]["labels"]["status"] == "superseded"
    assert made.refresh()
    assert made.changes(**changed) == {}
    made.update(**changed, maxHistory=1)
    assert hand.find("v1", "Secret", "recorded", "sh.helm.release.v1.velero.v1") is None

    assert made.changes(**velero("elsewhere")).get("namespace") == "UPDATE_REPLACE"
    made.delete()
    assert not made.refresh()
    assert hand.find("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "schedules.velero.io")
    assert hand.find("v1", "Namespace", "", "recorded")
    made.delete()


def test_a_release_needs_its_namespace_and_its_name_to_itself(engine: Engine, namespace: str) -> None:
    error = error_of(lambda: engine.make(RELEASE, "velero", **velero("not-there"))).details()
    assert "namespace 'not-there' is not there; make it first, or set createNamespace" in error
    made = engine.make(RELEASE, "velero", **velero(namespace))
    error = error_of(lambda: engine.make(RELEASE, "velero", **velero(namespace))).details()
    assert "cannot re-use the name 'velero'" in error
    made.delete()


def test_what_somebody_else_upgraded_is_drift(engine: Engine, namespace: str) -> None:
    made = engine.make(RELEASE, "velero", **velero(namespace))
    other = engine.make(RELEASE, "other", **velero(namespace, name="other"))
    other.id, other.state, other.inputs = made.id, made.state, made.inputs
    other.update(**velero(namespace, version="12.0.0"))
    assert made.refresh()
    assert made.changes(**velero(namespace)) == {"version": "UPDATE"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"chart": "wordpress"},
            "not carried by the sandbox: chart 'wordpress'; carried are aws-load-balancer-controller",
        ),
        ({"version": None}, "pin one"),
        ({"postrender": "sed"}, "not carried by the sandbox: Release.postrender"),
    ],
)
def test_a_release_that_cannot_be_is_named(engine: Engine, change: dict[str, Any], reason: str) -> None:
    inputs = {name: value for name, value in velero("a", **change).items() if value is not None}
    (failure,) = engine.check(RELEASE, "velero", inputs).failures
    assert reason in failure.reason


@pytest.mark.parametrize("chart", known_charts())
def test_the_definitions_of_every_chart_are_accepted(engine: Engine, hand: Hand, namespace: str, chart: str) -> None:
    reference = f"oci://registry.example.com/charts/{chart}"
    engine.make(RELEASE, chart, chart=reference, version="1.0.0", name=chart, namespace=namespace)
    for definition in definitions(chart):
        live = hand.read("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", definition["metadata"]["name"])
        assert not [each for each in live["status"]["conditions"] if each["type"] == "NonStructuralSchema"]


OBJECTS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "TargetGroupBinding": (
        "aws-load-balancer-controller",
        "elbv2.k8s.aws/v1beta1",
        {
            "serviceRef": {"name": "inference", "port": 8080},
            "targetGroupARN": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/1",
            "targetType": "ip",
        },
        "targetGroupARN",
    ),
    "PrometheusRule": (
        "kube-prometheus-stack",
        "monitoring.coreos.com/v1",
        {"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "up == 0", "for": "2m"}]}]},
        "groups[0].rules[0].expr",
    ),
    "ServiceMonitor": (
        "prometheus-operator-crds",
        "monitoring.coreos.com/v1",
        {"selector": {"matchLabels": {"app": "a"}}, "endpoints": [{"port": "http", "relabelings": []}]},
        "endpoints",
    ),
    "Schedule": ("velero", "velero.io/v1", {"schedule": "0 2 * * *", "template": {"ttl": "720h"}}, "schedule"),
    "BackupStorageLocation": (
        "velero",
        "velero.io/v1",
        {"provider": "aws", "accessMode": "ReadOnly", "objectStorage": {"bucket": "b"}},
        "objectStorage.bucket",
    ),
    "DestinationRule": (
        "base",
        "networking.istio.io/v1",
        {
            "host": "inference.ml-serving.svc.cluster.local",
            "trafficPolicy": {
                "connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE", "http2MaxRequests": 1000}},
                "loadBalancer": {"simple": "ROUND_ROBIN", "localityLbSetting": {"enabled": True}},
                "outlierDetection": {"consecutive5xxErrors": 3, "interval": "10s"},
            },
        },
        "host",
    ),
    "NodePool": (
        "karpenter",
        "karpenter.sh/v1",
        {
            "template": {
                "spec": {
                    "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "gpu"},
                    "requirements": [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["reserved"]}],
                }
            }
        },
        "template.spec.nodeClassRef.name",
    ),
    "EC2NodeClass": (
        "karpenter",
        "karpenter.k8s.aws/v1",
        {
            "amiSelectorTerms": [{"alias": "al2023@latest"}],
            "subnetSelectorTerms": [{"tags": {"a": "b"}}],
            "securityGroupSelectorTerms": [{"id": "sg-1"}],
        },
        "subnetSelectorTerms",
    ),
}
"""Kind: chart, apiVersion, a right spec, and a field that it needs."""


@pytest.mark.parametrize("kind", OBJECTS)
def test_custom_resources_of_charts_are_stored_and_what_lacks_a_field_is_refused(
    engine: Engine, namespace: str, kind: str
) -> None:
    chart, api_version, spec, needed = OBJECTS[kind]
    engine.make(RELEASE, kind, chart=chart, version="1.0.0", name=kind.lower(), namespace=namespace)
    token = f"kubernetes:{api_version}:{kind}"
    meta = {"metadata": {"name": "one"}}
    made = engine.make(token, "one", **meta, spec=spec)
    assert made.changes(**meta, spec=spec) == {}
    assert made.refresh()
    assert made.changes(**meta, spec=spec) == {}
    made.delete()

    *path, last = needed.replace("[0]", ".0").split(".")
    broken = without(spec, [int(step) if step.isdigit() else step for step in path], last)
    error = error_of(lambda: engine.preview(token, "two", metadata={"name": "two"}, spec=broken)).details()
    assert f"spec.{needed}" in error


def without(value: Any, path: list[int | str], last: str) -> Any:
    """A copy that lacks one field."""
    if not path:
        return {name: each for name, each in value.items() if name != last}
    head, *rest = path
    items = enumerate(value) if isinstance(value, list) else value.items()
    changed = {key: without(each, rest, last) if key == head else each for key, each in items}
    return list(changed.values()) if isinstance(value, list) else changed
