"""Chart archives, the index of a repository, OCI artifacts, and the responses by host and path."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from dr.clusters.charts import CHARTS, MESH, MESH_BASE, NODE_MAKER, PROMETHEUS, Chart
from sandbox.charts.archive import pack
from sandbox.charts.contents import WITHOUT_TEMPLATES, chart_files, chart_metadata
from sandbox.charts.definitions import pick
from sandbox.charts.index import repository_index
from sandbox.charts.oci import artifact
from sandbox.charts.served import Response, archive, artifacts, responses
from tests.support.charts import fake_sources, unpack

FILES = {"templates/a.yaml": b"a: 1\n", "Chart.yaml": b"name: small\n", "values.yaml": b"{}\n", "crds/b.yaml": b"b\n"}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def served(sources: Path) -> Mapping[tuple[str, str], Response]:
    return responses(sources)


def test_archive_unpacks_to_the_packed_files() -> None:
    assert unpack(pack("small", FILES)) == {f"small/{path}": content for path, content in FILES.items()}


def test_archive_begins_with_chart_yaml_as_helm_package_writes_it() -> None:
    assert list(unpack(pack("small", FILES)))[:2] == ["small/Chart.yaml", "small/values.yaml"]


def test_archive_has_the_same_bytes_for_any_order_of_its_files() -> None:
    assert pack("small", FILES) == pack("small", dict(reversed(FILES.items())))


def test_archive_contains_no_timestamps_and_no_owners() -> None:
    packed = pack("small", FILES)

    assert packed[4:8] == b"\0\0\0\0"  # gzip's own time
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert {(each.mtime, each.uid, each.gid, each.uname, each.gname, each.mode) for each in tar.getmembers()} == {
            (0, 0, 0, "", "", 0o644)
        }


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "crds/../../x"])
def test_archive_refuses_a_path_outside_the_chart(path: str) -> None:
    with pytest.raises(ValueError, match="lead out of it"):
        pack("small", {**FILES, path: b""})


def test_archive_refuses_a_chart_without_chart_yaml() -> None:
    with pytest.raises(ValueError, match=r"no Chart\.yaml"):
        pack("small", {"values.yaml": b"{}"})


def repositories() -> dict[str, set[Chart]]:
    found: dict[str, set[Chart]] = {}
    for chart in CHARTS:
        if not chart.is_oci:
            found.setdefault(chart.repository, set()).add(chart)
    return found


@pytest.mark.parametrize("repository", repositories())
def test_index_has_exactly_the_charts_of_the_table(
    served: Mapping[tuple[str, str], Response], repository: str, sources: Path
) -> None:
    url = urlsplit(repository)
    index = yaml.safe_load(served[url.netloc, f"{url.path}/index.yaml"].content)
    entries = [each for versions in index["entries"].values() for each in versions]

    assert index["apiVersion"] == "v1"
    assert {(each["name"], each["version"]) for each in entries} == {
        (chart.name, chart.version) for chart in repositories()[repository]
    }
    for each in entries:
        packed = served[url.netloc, f"{url.path}/{each['urls'][0]}"].content
        assert each["digest"] == hashlib.sha256(packed).hexdigest()


def test_index_of_a_repository_with_two_charts_has_both() -> None:
    index = yaml.safe_load(repository_index({MESH_BASE: b"1", MESH: b"2"}))

    assert list(index["entries"]) == ["base", "istiod"]


def test_only_files_of_the_table_are_served(served: Mapping[tuple[str, str], Response]) -> None:
    archives = sum(not chart.is_oci for chart in CHARTS)

    assert len(served) == len(repositories()) + archives
    assert {host for host, _ in served} == {urlsplit(chart.repository).netloc for chart in CHARTS if not chart.is_oci}


def test_oci_manifest_names_config_and_layer_by_digest_and_size(sources: Path) -> None:
    (karpenter,) = artifacts(sources)
    manifest = json.loads(karpenter.manifest)
    (layer,) = manifest["layers"]
    config, archive = karpenter.blobs

    assert (karpenter.host, karpenter.repository, karpenter.tag) == ("public.ecr.aws", "karpenter/karpenter", "1.11.1")
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    for described, blob, media_type in (
        (manifest["config"], config, "application/vnd.cncf.helm.config.v1+json"),
        (layer, archive, "application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
    ):
        assert described["digest"] == f"sha256:{hashlib.sha256(blob).hexdigest()}"
        assert (described["size"], described["mediaType"]) == (len(blob), media_type)
    assert json.loads(config)["version"] == NODE_MAKER.version


def test_oci_tag_has_an_underscore_for_the_plus_of_a_version() -> None:
    chart = Chart("small", "1.0.0+build", "default", "oci://registry.example.com/charts/small")

    assert artifact(chart, {}, b"").tag == "1.0.0_build"


def kinds(chart: Chart, sources: Path) -> Iterator[str]:
    """Return the folders of a chart's files."""
    return (path.partition("/")[0] for path in chart_files(chart, sources))


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_archive_has_the_charts_name_version_and_schema(chart: Chart, sources: Path) -> None:
    files = unpack(archive(chart, sources))
    metadata = yaml.safe_load(files[f"{chart.name}/Chart.yaml"])

    assert (metadata["name"], metadata["version"]) == (chart.name, chart.version)
    assert json.loads(files[f"{chart.name}/values.schema.json"])["additionalProperties"] is False


def test_every_chart_has_its_templates_or_a_reason_for_not_having_them(sources: Path) -> None:
    whole = {chart.name for chart in CHARTS if "templates" in kinds(chart, sources)} - {MESH_BASE.name}

    assert whole == {NODE_MAKER.name}
    assert WITHOUT_TEMPLATES.keys() | whole == {chart.name for chart in CHARTS}


def test_karpenter_has_the_version_that_its_release_process_would_write(sources: Path) -> None:
    files = chart_files(NODE_MAKER, sources)
    image = yaml.safe_load(files["values.yaml"])["controller"]["image"]

    assert chart_metadata(NODE_MAKER, sources)["appVersion"] == image["tag"] == NODE_MAKER.version
    assert image["digest"] == ""
    assert {path for path in files if path.startswith(("crds", "templates", "README"))} == {
        "crds/karpenter.sh_nodepools.yaml",
        "templates/service.yaml",
    }


def test_istio_base_has_the_definitions_of_this_programs_objects_in_a_template(sources: Path) -> None:
    files = chart_files(MESH_BASE, sources)
    definitions = list(yaml.safe_load_all(files["files/crds.yaml"]))

    assert [each["metadata"]["name"] for each in definitions] == [
        "destinationrules.networking.istio.io",
        "virtualservices.networking.istio.io",
    ]
    assert b"files/crds.yaml" in files["templates/crds.yaml"]


def test_prometheus_has_the_definitions_of_this_programs_objects(sources: Path) -> None:
    assert sum(kind == "crds" for kind in kinds(PROMETHEUS, sources)) == 3


def test_definition_missing_in_the_stream_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"missing\.example\.com"):
        pick("metadata:\n  name: other.example.com\n", "missing.example.com")
