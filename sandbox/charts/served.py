"""What chart repositories and the OCI registry answer: content by host and path. Pure.

Only the charts of dr/charts.py are there, in their one version. A server looks a request up by host and path, and
answers 404 to everything else; Helm's own error then names the chart or the version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from dr.charts import CHARTS, Chart
from sandbox.charts.archive import pack
from sandbox.charts.contents import chart_files, chart_metadata
from sandbox.charts.index import archive_name, repository_index
from sandbox.charts.oci import CONFIG, LAYER, MANIFEST, Artifact, artifact, digest


@dataclass(frozen=True)
class Response:
    """What is answered to a GET; to a HEAD, the same without content.

    Args:
        host: The host of the request.
        path: The path of the request, without a query.
        media_type: The Content-Type.
        content: The body.
    """

    host: str
    path: str
    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """`sha256:...` of the content; the Docker-Content-Digest of a manifest or blob."""
        return digest(self.content)


@cache
def archive(chart: Chart, sources: Path) -> bytes:
    """The archive of a chart, packed once in a process.

    Args:
        chart: One of `CHARTS`.
        sources: The folder of published files (`sandbox.charts.sources.ensure_charts`).
    """
    return pack(chart.name, chart_files(chart, sources))


@cache
def artifacts(sources: Path) -> tuple[Artifact, ...]:
    """The charts that come from OCI registries."""
    return tuple(
        artifact(chart, chart_metadata(chart, sources), archive(chart, sources)) for chart in CHARTS if chart.is_oci
    )


@cache
def responses(sources: Path) -> tuple[Response, ...]:
    """Everything that repositories and registries answer, for all charts."""
    return (*_repositories(sources), *_registries(sources))


def _repositories(sources: Path) -> Iterator[Response]:
    by_repository: dict[str, dict[Chart, bytes]] = {}
    for chart in CHARTS:
        if not chart.is_oci:
            by_repository.setdefault(chart.repository, {})[chart] = archive(chart, sources)
    for repository, archives in by_repository.items():
        url = urlsplit(repository)
        base = url.path.rstrip("/")
        yield Response(url.netloc, f"{base}/index.yaml", "application/yaml", repository_index(archives))
        for chart, content in archives.items():
            yield Response(url.netloc, f"{base}/{archive_name(chart)}", "application/gzip", content)


def _registries(sources: Path) -> Iterator[Response]:
    """The pull half of the OCI distribution API."""
    every = artifacts(sources)
    for host in dict.fromkeys(each.host for each in every):
        yield Response(host, "/v2/", "application/json", b"{}")
    for each in every:
        base = f"/v2/{each.repository}"
        tags = json.dumps({"name": each.repository, "tags": [each.tag]}).encode()
        yield Response(each.host, f"{base}/tags/list", "application/json", tags)
        for reference in (each.tag, digest(each.manifest)):
            yield Response(each.host, f"{base}/manifests/{reference}", MANIFEST, each.manifest)
        for media_type, blob in ((CONFIG, each.config), (LAYER, each.layer)):
            yield Response(each.host, f"{base}/blobs/{digest(blob)}", media_type, blob)
