"""Small images in place of those of publishers: real manifests and layers of two platforms. Pure and reproducible."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from functools import cache
from typing import Any

from dr.config.image_references import parse
from dr.supply.catalog import CHART_IMAGES
from dr.topology.serving import Serving
from sandbox.charts.oci import MANIFEST, Artifact, digest

INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PLATFORMS = ("amd64", "arm64")
DOCKER_HUB = {"docker.io": "index.docker.io"}
"""Hosts that serve an image, where they differ from the host in its reference (distribution project, "reference")."""
ABSENT = ("broken", "absent")
"""Words in a tag that no publisher has."""


def served_by(registry: str) -> str:
    """Return the host that serves images of a registry."""
    return DOCKER_HUB.get(registry, registry)


@cache
def names() -> frozenset[tuple[str, str]]:
    """Return host and repository of every image that the project names."""
    references = [*Serving().images.values(), *(f"{image.name}:0" for image in CHART_IMAGES)]
    images = [parse(reference) for reference in references]
    return frozenset((served_by(image.registry), image.name) for image in images if image)


def hosts() -> frozenset[str]:
    """Return the hosts of all images."""
    return frozenset(host for host, _ in names())


def exists(host: str, name: str, tag: str) -> bool:
    """Return whether a publisher has an image."""
    return (host, name) in names() and not any(word in tag for word in ABSENT)


def image(host: str, name: str, tag: str) -> Artifact:
    """Return an image; equal names give equal digests.

    Args:
        host: Host of its registry.
        name: Its repository.
        tag: Its tag.
    """
    blobs: list[bytes] = []
    entries, manifests = [], []
    for platform in PLATFORMS:
        layer, diff = _layer(f"{host}/{name}:{tag} {platform}\n")
        config = _json(
            {
                "architecture": platform,
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff}"]},
            }
        )
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, config),
                "layers": [_descriptor(LAYER, layer)],
            }
        )
        blobs += [config, layer]
        manifests.append(manifest)
        entries.append({**_descriptor(MANIFEST, manifest), "platform": {"architecture": platform, "os": "linux"}})
    index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    types = (*(MANIFEST for _ in manifests), INDEX)
    return Artifact(host, name, tag, tuple(blobs), (*manifests, index), types)


def _layer(text: str) -> tuple[bytes, str]:
    """Return a layer with one file, and the hash of its content before compression."""
    packed, content = io.BytesIO(), text.encode()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("image")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0), hashlib.sha256(packed.getvalue()).hexdigest()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def blobs_of(manifest: bytes) -> Iterator[str]:
    """Return the digests of the blobs that a manifest names; an index names none."""
    content = json.loads(manifest)
    if "config" in content:
        yield str(content["config"]["digest"])
    yield from (str(layer["digest"]) for layer in content.get("layers", ()))
