"""Everything that a region's registry must hold: each image and chart with its digest and its tag. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dr.config.image_references import parse
from dr.supply.catalog import Needs, chart_key
from dr.supply.lock import Lock
from dr.topology.supply import Kind

LONGEST_TAG = 128
"""Characters of a tag (distribution project, "reference")."""
NOT_IN_TAG = re.compile(r"[^\w.-]")


@dataclass(frozen=True)
class Item:
    """An image or a chart.

    Args:
        kind: The repository that holds it.
        name: Its reference at the publisher, or the chart's name and version.
        digest: Its digest; "" if `dr supply sync` has not resolved it.
        used_by: The setting or the chart that needs it.
    """

    kind: Kind
    name: str
    digest: str
    used_by: str

    @property
    def tag(self) -> str:
        """Its tag in the region's registry, where one repository holds many images; for people: digests decide."""
        image = parse(self.name)
        if self.kind is Kind.CHARTS or image is None:
            return NOT_IN_TAG.sub("_", self.name)[:LONGEST_TAG]
        version = image.tag or (image.digest or "").removeprefix("sha256:")[:12]
        return NOT_IN_TAG.sub("_", f"{image.registry}_{image.name}_{version}")[-LONGEST_TAG:].lstrip(".-")


def digest_of(reference: str, lock: Lock) -> str:
    """Return the digest of an image: that of its reference, else the locked one; "" if there is none."""
    image = parse(reference)
    return (image.digest if image else None) or lock.images.get(reference, "")


def items(needs: Needs, lock: Lock) -> list[Item]:
    """Return what a registry must hold. Images of a chart that is not resolved yet are unknown, and not listed."""
    listed = [Item(Kind.SERVING, ref, digest_of(ref, lock), key) for key, ref in needs.images]
    for chart in needs.charts:
        locked = lock.charts.get(chart_key(chart))
        listed.append(Item(Kind.CHARTS, chart_key(chart), locked.digest if locked else "", chart.name))
        images: Mapping[str, str] = locked.images if locked else {}
        listed += [Item(Kind.ADDONS, ref, digest_of(ref, lock), chart.name) for ref in images.values()]
    # Two settings may name one image, and two charts use one.
    return list({(item.kind, item.name): item for item in reversed(listed)}.values())[::-1]


def unresolved(needs: Needs, lock: Lock) -> list[str]:
    """Return the names of what has no digest in the lock."""
    return [item.name for item in items(needs, lock) if not item.digest]
