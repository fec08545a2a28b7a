"""References to the region's registry in pods and in the values of charts."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from components.kubernetes import addons_spec
from components.kubernetes.addons_spec import Cluster
from dr.clusters.charts import BACKUP, BALANCER, CHARTS, MESH, NODE_MAKER, PROMETHEUS, Chart
from dr.supply.catalog import images_of, needed
from dr.supply.mirror import placed
from dr.topology.serving import Serving
from sandbox.charts.schema import values_schema
from tests.support.builders import topology
from tests.support.mirror import DIGEST, HEX, HOST, mirror

CLUSTER = Cluster(
    "ml-dr", "us-west-2", "vpc-1", "arn:topic", "arn:watchdog", device_plugin=True, mesh=True, karpenter=True
)


def at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values[int(name)] if isinstance(values, list) else values[name]
    return values


def test_every_image_of_the_settings_is_named_by_digest_in_the_regions_registry() -> None:
    assert set(mirror().serving(Serving()).images.values()) == {f"{HOST}/ml-dr/serving@{DIGEST}"}


def test_image_of_the_model_registry_is_needed_and_named_by_digest_in_the_regions_registry() -> None:
    made = topology(registry="mlflow", registryImage="docker.io/registry:1")

    assert ("dr:registryImage", "docker.io/registry:1") in needed(made).images
    assert mirror().image("docker.io/registry:1@" + DIGEST) == f"{HOST}/ml-dr/serving@{DIGEST}"
    assert "dr:registryImage" not in dict(needed(topology()).images)


@pytest.mark.parametrize(
    ("chart", "path", "value"),
    [
        (BALANCER, "image", {"repository": f"{HOST}/ml-dr/addons", "tag": f"v1@{DIGEST}"}),
        (
            PROMETHEUS,
            "prometheus.prometheusSpec.image",
            {"registry": HOST, "repository": "ml-dr/addons", "sha": HEX},
        ),
        (BACKUP, "kubectl.image", {"repository": f"{HOST}/ml-dr/addons", "digest": DIGEST}),
        (BACKUP, "initContainers.0.image", f"{HOST}/ml-dr/addons@{DIGEST}"),
        (MESH, "global.proxy.image", f"{HOST}/ml-dr/addons@{DIGEST}"),
        (NODE_MAKER, "controller.image", {"repository": f"{HOST}/ml-dr/addons", "digest": DIGEST}),
    ],
)
def test_values_of_a_chart_name_the_regions_registry(chart: Chart, path: str, value: Any) -> None:
    values = addons_spec.installed(CLUSTER)[chart]

    assert at(mirror().values(chart, values), path) == value


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_values_of_a_chart_are_otherwise_unchanged_and_accepted_by_the_chart(chart: Chart) -> None:
    karpenter = Cluster("ml-dr", "us-west-2", "vpc-1", "arn:topic", "arn:watchdog", device_plugin=True, mesh=True)
    values = {**addons_spec.installed(CLUSTER), **addons_spec.installed(karpenter)}[chart]

    changed = mirror().values(chart, values)

    jsonschema.validate(changed, values_schema(chart.name))
    assert set(changed) - set(values) <= {image.path.partition(".")[0] for image in images_of(chart)}
    for name in set(values) - {image.path.partition(".")[0] for image in images_of(chart)}:
        assert changed[name] == values[name]


def test_other_values_beside_an_image_are_kept() -> None:
    assert placed({"a": {"b": 1}, "c": [{"x": 1, "y": 2}]}, ("c", "0", "x"), 9) == {
        "a": {"b": 1},
        "c": [{"x": 9, "y": 2}],
    }


def test_path_of_an_archive_is_relative_and_changes_with_the_digest() -> None:
    path = mirror().archive(NODE_MAKER)

    assert not Path(path).is_absolute()
    assert path == f".local/charts/karpenter-1.11.1-{HEX[:12]}.tgz"
