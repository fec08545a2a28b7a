"""References to container images: checked before anything is deployed. Pure.

The grammar is the distribution project's ("reference", `registry/name[:tag][@digest]`), of which the short forms are
refused: the configuration of a node decides the registry of a name that has none, and a name without tag and digest is
`latest`, which changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dr.errors import Problem

REFERENCE = re.compile(
    r"(?P<registry>(?:[a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]+(?::\d+)?|localhost(?::\d+)?)/"
    r"(?P<name>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
EXAMPLE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/serving:1.4.2@sha256:<64 digits>"


@dataclass(frozen=True)
class Image:
    """The parts of a reference.

    Args:
        registry: The host it is pulled from, with a port if it has one.
        name: The repository in it.
        tag: Its version; a tag can be moved to another image at any time.
        digest: Hash of the image: "sha256:...". It always names the same image.
    """

    registry: str
    name: str
    tag: str | None
    digest: str | None


def parse(reference: str) -> Image | None:
    """Return the parts of a reference; None if it is not a full reference."""
    found = REFERENCE.fullmatch(reference)
    return Image(**found.groupdict()) if found else None


def problem(reference: str) -> tuple[str, str] | None:
    """Return the problem of a reference and its remedy, or None."""
    image = parse(reference)
    if image is None:
        registry, slash, _ = reference.partition("/")
        lacks = slash == "" or not ("." in registry or registry.startswith("localhost"))
        if lacks and parse(f"docker.io/{reference}"):
            named = reference if slash else f"library/{reference}"
            return (
                f'"{reference}" has no registry, so the configuration of each node decides it',
                f"use docker.io/{named}",
            )
        return f'"{reference}" is not a valid image reference', f"use registry/name:tag@digest, such as {EXAMPLE}"
    if image.digest is None and image.tag in (None, "latest"):
        fact = f'"{reference}" is the image that was pushed last: two nodes, or two regions, could run different images'
        return fact, f"name a version and its digest, such as {EXAMPLE}"
    return None


def without_digest(references: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each image without a digest: its tag can be moved to another image.

    Args:
        references: Image references by the key that sets them.
    """
    return [
        Problem(
            key,
            f'"{reference}" has no digest: its tag can be moved to another image, so the regions could run two',
            f"`pulumi config set {key} {reference}@sha256:<digest>`; `docker buildx imagetools inspect` shows it",
        )
        for key, reference in references.items()
        if (image := parse(reference)) and image.digest is None
    ]
