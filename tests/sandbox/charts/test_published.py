"""Files of the published charts, fetched as Go modules, compared with the facts recorded about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from jsonschema import Draft7Validator

from components.kubernetes.addons_spec import Cluster, installed
from dr.clusters.charts import CHARTS, MESH_BASE, NODE_MAKER
from sandbox.charts.schema import values_schema
from sandbox.charts.served import archive
from sandbox.toolchain.chart_sources import PUBLISHED
from tests.support.charts import served_definitions, unpack


def karpenter() -> dict[str, bytes]:
    return unpack(archive(NODE_MAKER, PUBLISHED.ensure(lambda text, share: None)))


def merged(defaults: Any, values: Any) -> Any:
    """Merge values over a chart's defaults, as Helm does."""
    if isinstance(defaults, Mapping) and isinstance(values, Mapping):
        return {
            key: merged(defaults.get(key), values[key]) if key in values else defaults[key]
            for key in {**defaults, **values}
        }
    return values


def test_karpenters_schema_accepts_the_programs_values_over_the_charts_defaults() -> None:
    defaults = yaml.safe_load(karpenter()["karpenter/values.yaml"])
    values = installed(
        Cluster(
            "ml-dr",
            "us-west-2",
            "vpc-1",
            "arn",
            "arn:aws:sns:us-west-2:123456789012:ml-dr-watchdog",
            device_plugin=True,
            karpenter=True,
        )
    )[NODE_MAKER]

    validator = Draft7Validator(values_schema(NODE_MAKER.name))
    assert [each.message for each in validator.iter_errors(merged(defaults, values))] == []


def test_karpenters_schema_has_exactly_the_keys_of_the_charts_defaults() -> None:
    defaults = yaml.safe_load(karpenter()["karpenter/values.yaml"])
    schema = values_schema(NODE_MAKER.name)["properties"]

    assert schema.keys() - {"global"} == defaults.keys()
    for part in ("controller", "serviceAccount", "settings"):
        assert schema[part]["properties"].keys() == defaults[part].keys()


def test_karpenters_templates_have_no_webhook() -> None:
    templates = b"".join(content for path, content in karpenter().items() if "/templates/" in path)

    assert b"kind: Deployment" in templates
    assert not re.search(rb"WebhookConfiguration", templates)


def test_served_custom_resource_definitions_are_of_the_expected_kinds() -> None:
    kinds = {each["spec"]["names"]["kind"] for chart in CHARTS for each in served_definitions(chart)}

    assert kinds == {
        "TargetGroupBinding",
        *("PrometheusRule", "PodMonitor", "ServiceMonitor"),
        *("Backup", "BackupStorageLocation", "DownloadRequest", "Restore", "Schedule", "VolumeSnapshotLocation"),
        *("DestinationRule", "VirtualService"),
        *("EC2NodeClass", "NodeClaim", "NodeOverlay", "NodePool"),
    }


def test_istio_definitions_are_kept_when_the_release_is_deleted() -> None:
    annotations = [each["metadata"]["annotations"] for each in served_definitions(MESH_BASE)]

    assert [each["helm.sh/resource-policy"] for each in annotations] == ["keep", "keep"]
