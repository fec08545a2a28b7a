"""The hosts of charts, reached as by Helm: over HTTPS through the emulator, with a real registry for `oci://`."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psutil
import pytest
import urllib3
import yaml

from dr.clusters.charts import BALANCER, CHARTS, NODE_MAKER, Chart
from sandbox.charts.oci import MANIFEST
from sandbox.server import Running, running
from sandbox.toolchain.programs import ensure_programs
from tests.support.charts import unpack

Get = Callable[..., urllib3.BaseHTTPResponse]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    ensure_programs(lambda text, share: None)
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def get(emulator: Running) -> Get:
    """Send a GET request through the emulator as proxy, trusting its certificate authority."""
    context = ssl.create_default_context(cafile=str(emulator.authority.file))
    proxy = urllib3.ProxyManager(emulator.endpoint, ssl_context=context, retries=False)

    def ask(url: str, method: str = "GET", **headers: str) -> urllib3.BaseHTTPResponse:
        return proxy.request(method, url, headers=headers)

    return ask


@pytest.mark.parametrize("chart", [each for each in CHARTS if not each.is_oci], ids=lambda chart: chart.name)
def test_repository_has_the_chart_that_its_index_names(get: Get, chart: Chart) -> None:
    index = yaml.safe_load(get(f"{chart.repository}/index.yaml").data)
    (entry,) = index["entries"][chart.name]
    archive = get(f"{chart.repository}/{entry['urls'][0]}").data

    assert entry["version"] == chart.version
    assert hashlib.sha256(archive).hexdigest() == entry["digest"]
    assert f"{chart.name}/Chart.yaml" in unpack(archive)


def test_registry_gives_manifest_config_and_archive_of_a_chart(get: Get) -> None:
    host = urlsplit(NODE_MAKER.repository)
    base = f"https://{host.netloc}/v2{host.path}"
    assert get(f"https://{host.netloc}/v2/").status == 200

    by_tag = get(f"{base}/manifests/{NODE_MAKER.version}", Accept=MANIFEST)
    digest = f"sha256:{hashlib.sha256(by_tag.data).hexdigest()}"
    assert by_tag.headers["Content-Type"] == MANIFEST
    assert by_tag.headers["Docker-Content-Digest"] == digest
    assert get(f"{base}/manifests/{digest}", Accept=MANIFEST).data == by_tag.data
    answer = get(f"{base}/manifests/{digest}", method="HEAD", Accept=MANIFEST)
    assert (answer.status, answer.data, int(answer.headers["Content-Length"])) == (200, b"", len(by_tag.data))
    manifest = json.loads(by_tag.data)
    config, archive = (get(f"{base}/blobs/{each['digest']}").data for each in (manifest["config"], *manifest["layers"]))
    assert json.loads(config)["version"] == NODE_MAKER.version
    assert "karpenter/Chart.yaml" in unpack(archive)
    assert json.loads(get(f"{base}/tags/list").data)["tags"] == [NODE_MAKER.version]


def test_chart_outside_the_table_is_not_found(get: Get) -> None:
    host = urlsplit(NODE_MAKER.repository)

    assert get(f"{BALANCER.repository}/{BALANCER.name}-0.0.1.tgz").status == 404
    assert get(f"https://{host.netloc}/v2{host.path}/manifests/0.0.1", Accept=MANIFEST).status == 404
    assert get(f"https://{host.netloc}/v2/another/chart/manifests/1.0.0", Accept=MANIFEST).status == 404


def test_hosts_of_charts_are_read_only(get: Get) -> None:
    assert get(f"{BALANCER.repository}/index.yaml", method="PUT").status == 405
    assert get(f"{NODE_MAKER.repository.replace('oci:', 'https:')}/blobs/uploads/", method="POST").status == 405


def test_other_host_is_refused_and_recorded(emulator: Running, get: Get) -> None:
    with pytest.raises(urllib3.exceptions.ProxyError, match="403"):
        get("https://ghcr.io/v2/")
    assert get("http://charts.example.com/index.yaml").status == 403

    assert {"ghcr.io", "charts.example.com"} <= set(
        json.loads(urllib3.request("GET", f"{emulator.endpoint}/_sandbox/refused").data)
    )


def registries() -> set[int]:
    return {each.pid for each in psutil.Process().children(recursive=True) if each.name() == "crane"}


def test_registry_ends_with_the_emulator() -> None:
    before = registries()
    with running() as started:
        site = started.sites.site("public.ecr.aws")
        assert site is not None
        assert site.send({"REQUEST_METHOD": "GET", "PATH_INFO": "/v2/"}, b"").status == 200
        assert len(registries()) == len(before) + 1
    assert registries() == before
