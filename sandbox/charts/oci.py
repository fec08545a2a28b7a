"""Charts as artifacts of an OCI registry. Pure.

Media types: helm/helm, pkg/registry/constants.go, and the OCI image specification. Tags: `_` replaces `+` in a version
(helm/helm, pkg/registry/client.go).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dr.clusters.charts import Chart

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.cncf.helm.config.v1+json"
LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


def digest(content: bytes) -> str:
    """Return the digest that identifies content in a registry."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Artifact:
    """A chart in an OCI registry.

    Args:
        host: Host of the registry.
        repository: Path of the repository, without a leading or trailing slash.
        tag: Tag of the artifact.
        config: Config blob: the chart's metadata, as JSON.
        layer: Layer blob: the chart's archive.
        manifest: Manifest with the digests of both blobs, as JSON.
    """

    host: str
    repository: str
    tag: str
    config: bytes
    layer: bytes
    manifest: bytes


def artifact(chart: Chart, metadata: Mapping[str, Any], archive: bytes) -> Artifact:
    """Return the artifact of a chart with a repository `oci://host/path`.

    Args:
        chart: The chart.
        metadata: Content of the chart's Chart.yaml.
        archive: Archive of the chart.
    """
    url = urlsplit(chart.repository)
    config = json.dumps(metadata, sort_keys=True, separators=(",", ":")).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, config),
        "layers": [_descriptor(LAYER, archive)],
    }
    return Artifact(
        host=url.netloc,
        repository=url.path.strip("/"),
        tag=chart.version.replace("+", "_"),
        config=config,
        layer=archive,
        manifest=json.dumps(manifest, separators=(",", ":")).encode(),
    )


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}
