"""References to container images: what a cluster would pull, told before anything is deployed. Pure.

The grammar is the distribution project's ("reference", `registry/name[:tag][@digest]`), of which the short forms are
left out: a name without a registry is whatever a node's configuration makes of it, and one without tag and digest is
`latest`, another image every week.
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
    """What a reference names.

    Args:
        registry: The host it is pulled from, with a port if it has one.
        name: The repository in it.
        tag: What a person calls it; may be moved to another image at any time.
        digest: Hash of the image: "sha256:...". What it names never changes.
    """

    registry: str
    name: str
    tag: str | None
    digest: str | None


def parse(reference: str) -> Image | None:
    """The image a reference names; None if it is no full reference."""
    found = REFERENCE.fullmatch(reference)
    return Image(**found.groupdict()) if found else None


def problem(reference: str) -> tuple[str, str] | None:
    """What is wrong with a reference, and the way out; None if nothing is."""
    image = parse(reference)
    if image is None:
        registry, slash, _ = reference.partition("/")
        lacks = slash == "" or not ("." in registry or registry.startswith("localhost"))
        if lacks and parse(f"docker.io/{reference}"):
            named = reference if slash else f"library/{reference}"
            return f'"{reference}" names no registry, so each node decides where it is', f"use docker.io/{named}"
        return f'"{reference}" is no image', f"use registry/name:tag@digest, such as {EXAMPLE}"
    if image.digest is None and image.tag in (None, "latest"):
        fact = f'"{reference}" is whatever was pushed last: two nodes, or two regions, would serve different programs'
        return fact, f"name a version and its digest, such as {EXAMPLE}"
    return None


def without_digest(references: Mapping[str, str]) -> list[Problem]:
    """Images that somebody can replace by another one under the same name.

    Args:
        references: Image references by the key that sets them.
    """
    return [
        Problem(
            key,
            f'"{reference}" has no digest: its tag can be moved to another image, and the regions would differ',
            f"`pulumi config set {key} {reference}@sha256:<digest>`; `docker buildx imagetools inspect` shows it",
        )
        for key, reference in references.items()
        if (image := parse(reference)) and image.digest is None
    ]
