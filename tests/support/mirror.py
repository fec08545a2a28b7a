"""A region's registry that holds every chart and image, with one digest for all."""

from __future__ import annotations

from dr.clusters.charts import CHARTS, Chart
from dr.supply.catalog import chart_key, images_of
from dr.supply.lock import Lock, LockedChart
from dr.supply.mirror import Mirror
from dr.supply.region_registry import RegionRegistry
from dr.topology.serving import Serving

HOST = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"


def _locked(chart: Chart) -> LockedChart:
    return LockedChart(DIGEST, DIGEST, {image.path: f"{image.name}:v1" for image in images_of(chart)})


def mirror() -> Mirror:
    """Return the mirror of us-west-2."""
    images = {f"{image.name}:v1": DIGEST for chart in CHARTS for image in images_of(chart)}
    serving = dict.fromkeys(Serving().images.values(), DIGEST)
    registry = RegionRegistry("123456789012", "us-west-2", "ml-dr")
    return Mirror(registry, Lock({**images, **serving}, {chart_key(chart): _locked(chart) for chart in CHARTS}))
