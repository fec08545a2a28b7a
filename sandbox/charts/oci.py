"""A chart as an artifact of an OCI registry. Pure.

Media types: helm/helm, pkg/registry/constants.go, and the OCI image specification. Tags: a `+` of a version is written
as `_` (helm/helm, pkg/registry/client.go).
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
    """The digest that a registry names content by."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Artifact:
    """A chart in a registry.

    Args:
        host: The registry.
        repository: The repository's path in it, without a slash at either end.
        tag: Its tag.
        config: The chart's metadata, as JSON; a blob.
        layer: The chart's archive; a blob.
        manifest: What names both.
    """

    host: str
    repository: str
    tag: str
    config: bytes
    layer: bytes
    manifest: bytes


def artifact(chart: Chart, metadata: Mapping[str, Any], archive: bytes) -> Artifact:
    """The artifact of a chart whose repository is `oci://host/path`.

    Args:
        chart: The chart.
        metadata: Content of its Chart.yaml.
        archive: Its archive.
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
