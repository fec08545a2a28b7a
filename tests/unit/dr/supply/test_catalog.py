"""The table of images and charts, and the lock file that gives them digests."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from dr.clusters.charts import CHARTS, MESH, MESH_BASE, NODE_MAKER, PROMETHEUS
from dr.errors import Failed, Invalid
from dr.supply import lock as locks
from dr.supply.catalog import CHART_IMAGES, Form, Needs, chart_key, images_of, needed
from dr.supply.chart_artifact import reference
from dr.supply.items import Item, items
from dr.supply.lock import Lock, LockedChart
from dr.topology.serving import Serving
from dr.topology.supply import Kind
from tests.support.builders import topology

DIGEST = f"sha256:{'ab' * 32}"


def packed(chart: str, **files: object) -> bytes:
    """Return the archive of a chart; names of files have `__` for `/` and no `.yaml`."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, value in files.items():
            text = yaml.safe_dump(value).encode()
            entry = tarfile.TarInfo(f"{chart}/{name.replace('__', '/')}.yaml")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return content.getvalue()


def test_every_setting_with_an_image_is_needed() -> None:
    needs = needed(topology(inferenceImage="docker.io/team/server:2"))

    assert needs.images == tuple(replace(Serving(), inference_image="docker.io/team/server:2").images.items())
    assert needs.charts == CHARTS


def test_an_existing_cluster_needs_no_charts() -> None:
    assert needed(topology(existingCluster="theirs", existingVpc="vpc-0123456789abcdef0")).charts == ()


def test_every_chart_but_the_one_without_pods_has_images() -> None:
    assert [chart.name for chart in CHARTS if not images_of(chart)] == [MESH_BASE.name]


def test_places_of_images_are_unique() -> None:
    places = [(image.chart.name, image.path) for image in CHART_IMAGES]

    assert len(set(places)) == len(places)


def test_image_version_is_the_one_of_the_chart() -> None:
    (image,) = [each for each in images_of(PROMETHEUS) if each.path == "prometheus.prometheusSpec.image"]
    archive = packed("p", values={"prometheus": {"prometheusSpec": {"image": {"tag": "v3.1.0"}}}}, Chart={"name": "p"})

    assert reference(image, archive) == "quay.io/prometheus/prometheus:v3.1.0"


def test_image_version_of_a_subchart_is_read_from_the_subchart() -> None:
    (image,) = [each for each in images_of(PROMETHEUS) if each.subchart]
    parts = {"charts__kube-state-metrics__values": {}, "charts__kube-state-metrics__Chart": {"appVersion": "2.19.1"}}
    archive = packed("p", values={}, Chart={"appVersion": "v0.93.0"}, **parts)

    assert reference(image, archive) == "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.19.1"


def test_digest_that_a_chart_pins_is_kept() -> None:
    (image,) = images_of(NODE_MAKER)
    archive = packed("k", values={"controller": {"image": {"tag": "1.11.1", "digest": DIGEST}}}, Chart={})

    assert reference(image, archive) == f"public.ecr.aws/karpenter/controller:1.11.1@{DIGEST}"


def test_chart_without_a_version_of_its_image_is_reported() -> None:
    with pytest.raises(Failed, match="names no version of docker"):
        reference(images_of(MESH)[0], packed("istiod", values={}, Chart={}))


def test_items_have_the_digests_of_the_lock() -> None:
    chart = LockedChart(DIGEST, DIGEST, {"controller.image": "public.ecr.aws/karpenter/controller:1.11.1"})
    lock = Lock(
        {"docker.io/a/b:1": DIGEST, "public.ecr.aws/karpenter/controller:1.11.1": DIGEST},
        {chart_key(NODE_MAKER): chart},
    )

    found = items(Needs((("dr:inferenceImage", "docker.io/a/b:1"),), (NODE_MAKER,)), lock)

    assert [(item.kind, item.name, item.digest) for item in found] == [
        (Kind.SERVING, "docker.io/a/b:1", DIGEST),
        (Kind.CHARTS, "karpenter 1.11.1", DIGEST),
        (Kind.ADDONS, "public.ecr.aws/karpenter/controller:1.11.1", DIGEST),
    ]


def test_digest_of_a_reference_precedes_the_lock() -> None:
    other = f"sha256:{'cd' * 32}"
    name = f"docker.io/a/b:1@{DIGEST}"

    (item,) = items(Needs((("dr:inferenceImage", name),), ()), Lock({name: other}))

    assert item.digest == DIGEST


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("docker.io/seldonio/mlserver:1.7.1", "docker.io_seldonio_mlserver_1.7.1"),
        (f"docker.io/a/b:1@{DIGEST}", "docker.io_a_b_1"),
        (f"localhost:5000/a@{DIGEST}", "localhost_5000_a_abababababab"),
    ],
)
def test_tag_names_image_and_version(name: str, tag: str) -> None:
    assert Item(Kind.SERVING, name, DIGEST, "").tag == tag


def test_tag_is_never_longer_than_a_registry_accepts() -> None:
    tag = Item(Kind.SERVING, f"docker.io/{'long/' * 40}name:1.0", DIGEST, "").tag

    assert len(tag) <= 128
    assert tag.endswith("name_1.0")


def test_lock_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = Lock({"docker.io/a/b:1": DIGEST}, {"c 1": LockedChart(DIGEST, DIGEST, {"image": "docker.io/a/b:1"})})
    locks.write(tmp_path, lock)

    assert locks.read(tmp_path) == lock


def test_project_without_a_lock_file_has_no_digests(tmp_path: Path) -> None:
    assert locks.read(tmp_path) == Lock()


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("{", "is not a lock file"),
        ("[]", "is not a lock file"),
        (json.dumps({"version": 2}), "has version 2, and this program reads version 1"),
        (json.dumps({"version": 1, "images": {}, "charts": {"c 1": {}}}), "is not a lock file: KeyError"),
    ],
)
def test_damaged_lock_file_is_refused(tmp_path: Path, text: str, fact: str) -> None:
    (tmp_path / locks.FILE).write_text(text)

    with pytest.raises(Invalid, match=fact):
        locks.read(tmp_path)


def test_every_form_of_an_image_is_used() -> None:
    assert {image.form for image in CHART_IMAGES} == set(Form)
