"""Charts of publishers' OCI registries, by host, repository and tag. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dr.clusters.charts import Chart
from dr.supply import chart_artifact
from dr.supply.chart_artifact import MANIFEST, digest

__all__ = ["MANIFEST", "Artifact", "artifact", "digest"]


@dataclass(frozen=True)
class Artifact:
    """An image or a chart in an OCI registry.

    Args:
        host: Host of the registry.
        repository: Path of the repository, without a leading or trailing slash.
        tag: Tag of the artifact.
        blobs: Content of its layers and of its configuration.
        manifests: Manifests by reference; the last one has the tag.
        media_types: Media type of each manifest.
    """

    host: str
    repository: str
    tag: str
    blobs: tuple[bytes, ...]
    manifests: tuple[bytes, ...]
    media_types: tuple[str, ...] = (MANIFEST,)

    @property
    def manifest(self) -> bytes:
        """The manifest with the tag."""
        return self.manifests[-1]


def artifact(chart: Chart, metadata: Mapping[str, Any], archive: bytes) -> Artifact:
    """Return the artifact of a chart with a repository `oci://host/path`.

    Args:
        chart: The chart.
        metadata: Content of the chart's Chart.yaml.
        archive: Archive of the chart.
    """
    url, made = urlsplit(chart.repository), chart_artifact.artifact(metadata, archive)
    return Artifact(
        host=url.netloc,
        repository=url.path.strip("/"),
        tag=chart.version.replace("+", "_"),
        blobs=(made.config, made.layer),
        manifests=(made.manifest,),
    )
