"""Helm charts as artifacts of an OCI registry, and the values of their archives. Pure.

Media types: helm/helm, pkg/registry/constants.go, and the OCI image specification.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dr.errors import Failed, Problem
from dr.supply.catalog import ChartImage

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.cncf.helm.config.v1+json"
LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PLACEHOLDER = re.compile(r"\{([^}]+)\}")


def digest(content: bytes) -> str:
    """Return the digest that identifies content in a registry."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Artifact:
    """A chart as a registry holds it.

    Args:
        config: Config blob: the chart's metadata, as JSON.
        layer: Layer blob: the chart's archive.
        manifest: Manifest with the digests of both blobs, as JSON.
    """

    config: bytes
    layer: bytes
    manifest: bytes


def artifact(metadata: Mapping[str, Any], archive: bytes) -> Artifact:
    """Return the artifact of a chart; equal content gives an equal digest.

    Args:
        metadata: Content of the chart's Chart.yaml.
        archive: Archive of the chart.
    """
    config = json.dumps(metadata, sort_keys=True, separators=(",", ":"), default=str).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, config),
        "layers": [_descriptor(LAYER, archive)],
    }
    return Artifact(config, archive, json.dumps(manifest, separators=(",", ":")).encode())


def archive_digest(manifest: Mapping[str, Any], subject: str) -> str:
    """Return the digest of the archive that a manifest names.

    Args:
        manifest: A manifest of a registry.
        subject: The chart, for the message.

    Raises:
        Failed: The manifest is not that of a Helm chart.
    """
    layers = [each["digest"] for each in manifest.get("layers", ()) if each.get("mediaType") == LAYER]
    if len(layers) != 1:
        fact = f"its manifest has {len(layers)} layers of type {LAYER} instead of one"
        raise Failed(Problem(subject, fact, "check the chart's repository in dr/clusters/charts.py"))
    return str(layers[0])


def read_file(archive: bytes, path: str) -> dict[str, Any]:
    """Return a YAML file of a chart's archive; empty if the archive lacks it.

    Args:
        archive: The archive.
        path: Path below the chart's folder: "Chart.yaml", "charts/kube-state-metrics/values.yaml".

    Raises:
        tarfile.TarError: The archive is damaged.
    """
    import yaml

    # Published definitions and values are large; the pure Python loader takes seconds.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            if member.name.partition("/")[2] == path and (file := tar.extractfile(member)):
                return dict(yaml.load(file.read(), loader) or {})  # noqa: S506 - both loaders are safe
    return {}


def reference(image: ChartImage, archive: bytes) -> str:
    """Return the image reference that a chart uses.

    Args:
        image: The image.
        archive: Archive of its chart.

    Raises:
        Failed: The chart names no version of the image.
    """
    folder = f"charts/{image.subchart}/" if image.subchart else ""
    values = read_file(archive, f"{folder}values.yaml")
    known = {**values, "appVersion": read_file(archive, f"{folder}Chart.yaml").get("appVersion")}
    tag = next(filter(None, (fill(template, known) for template in image.tags)), "")
    if not tag:
        fact = f"the chart {image.chart.name} {image.chart.version} names no version of {image.name}"
        raise Failed(Problem(image.subject, fact, "check the place of the image in dr/supply/catalog.py"))
    pinned = fill(image.digest, known)
    return f"{image.name}:{tag}" + (f"@{pinned}" if pinned else "")


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Return a template with values in place of `{path.to.value}`; "" if one has no value."""
    found = {path: _at(values, path) for path in PLACEHOLDER.findall(template)}
    if not all(found.values()):
        return ""
    return PLACEHOLDER.sub(lambda match: found[match[1]], template)


def _at(values: Any, path: str) -> str:
    for name in path.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return "" if values is None else str(values)


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}
