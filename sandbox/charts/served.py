"""Responses of chart repositories by host and path, and artifacts of the OCI registry. Pure.

Only the charts of dr/clusters/charts.py are served, in the pinned versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from dr.clusters.charts import CHARTS, Chart
from dr.supply.catalog import CHART_IMAGES
from dr.supply.chart_artifact import reference
from dr.topology.serving import Serving
from sandbox.charts.archive import pack
from sandbox.charts.contents import chart_files, chart_metadata
from sandbox.charts.index import archive_name, repository_index
from sandbox.charts.oci import Artifact, artifact


@dataclass(frozen=True)
class Response:
    """Response to a GET request; a HEAD request gets the same without content.

    Args:
        host: Host of the request.
        path: Path of the request, without a query.
        media_type: Content-Type of the response.
        content: Body of the response.
    """

    host: str
    path: str
    media_type: str
    content: bytes


@cache
def archive(chart: Chart, sources: Path) -> bytes:
    """Return the archive of a chart, packed once per process.

    Args:
        chart: One of `CHARTS`.
        sources: Folder of published files (`sandbox.toolchain.chart_sources.PUBLISHED`).
    """
    return pack(chart.name, chart_files(chart, sources))


@cache
def artifacts(sources: Path) -> tuple[Artifact, ...]:
    """Return the artifacts of all charts from OCI registries."""
    return tuple(
        artifact(chart, chart_metadata(chart, sources), archive(chart, sources)) for chart in CHARTS if chart.is_oci
    )


@cache
def references(sources: Path) -> tuple[str, ...]:
    """Return the references of the images that the charts and the settings name by default."""
    found = [reference(image, archive(image.chart, sources)) for image in CHART_IMAGES]
    return (*Serving().images.values(), *found)


@cache
def responses(sources: Path) -> Mapping[tuple[str, str], Response]:
    """Return the files of all chart repositories, by host and path."""
    return {(each.host, each.path): each for each in _repositories(sources)}


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
