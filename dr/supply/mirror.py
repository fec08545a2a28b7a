"""References to a region's own registry, in place of those of the publishers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dr.clusters.charts import Chart
from dr.supply.catalog import Form, chart_key, images_of
from dr.supply.items import digest_of
from dr.supply.lock import Lock
from dr.supply.region_registry import RegionRegistry
from dr.topology.serving import Serving
from dr.topology.supply import Kind, repository

FOLDER = ".local/charts"
"""Folder of chart archives, below that of Pulumi.yaml; git ignores it."""


@dataclass(frozen=True)
class Mirror:
    """The region's own registry with the digests of the lock file.

    Args:
        registry: The registry.
        lock: The lock file.
    """

    registry: RegionRegistry
    lock: Lock

    def serving(self, serving: Serving) -> Serving:
        """Return the serving settings with each image from the region's registry, by digest."""
        return serving.with_images(self.image)

    def image(self, reference: str) -> str:
        """Return an image of the settings from the region's registry, by digest."""
        return self.registry.reference(Kind.SERVING, digest_of(reference, self.lock))

    def values(self, chart: Chart, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a chart's values with each of its images from the region's registry.

        Args:
            chart: The chart.
            values: Values of the chart.
        """
        changed: Any = values
        for image in images_of(chart):
            reference = self.lock.charts[chart_key(chart)].images[image.path]
            digest = digest_of(reference, self.lock)
            tag = reference.partition("@")[0].rpartition(":")[2]
            for path, value in self._spelled(image.form, image.path, digest, tag):
                changed = placed(changed, path.split("."), value)
        return dict(changed)

    def archive(self, chart: Chart) -> str:
        """Return the path of a chart's archive below the folder of Pulumi.yaml.

        It is relative and contains the digest: it is the same on every machine, and the next preview shows no change.
        """
        digest = self.lock.charts[chart_key(chart)].archive.removeprefix("sha256:")[:12]
        return f"{FOLDER}/{chart.name}-{chart.version}-{digest}.tgz"

    def _spelled(self, form: Form, path: str, digest: str, tag: str) -> list[tuple[str, str]]:
        where = self.registry.repository(Kind.ADDONS)
        if form is Form.WHOLE:
            return [(path, f"{where}@{digest}")]
        if form is Form.SPLIT:
            name = repository(self.registry.prefix, Kind.ADDONS)
            spelled = {"registry": self.registry.host, "repository": name, "sha": digest.removeprefix("sha256:")}
        elif form is Form.DIGEST:
            spelled = {"repository": where, "digest": digest}
        else:
            # With a digest in the reference, the tag is for people: the repository need not have it.
            spelled = {"repository": where, "tag": f"{tag}@{digest}"}
        return [(f"{path}.{name}", value) for name, value in spelled.items()]


def placed(values: Any, path: Sequence[str], value: Any) -> Any:
    """Return values with one of them set; the others are not copied, since they may be Outputs.

    Args:
        values: A mapping, or a list where the path has a number.
        path: Names and numbers that lead to the value.
        value: The value.
    """
    if not path:
        return value
    name, *rest = path
    if isinstance(values, list):
        return [placed(each, rest, value) if at == int(name) else each for at, each in enumerate(values)]
    inner = values or {}
    return {**inner, name: placed(inner.get(name), rest, value)}
