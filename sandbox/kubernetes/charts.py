"""The charts that can be installed: by name, and which custom resource definitions they bring.

A chart comes from the internet. What is here is ours: of each chart the definitions that this program's objects need,
with the required fields and enumerations of the published ones, and nothing that would run.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sandbox.charts.definitions import FOLDER as OWN
from sandbox.charts.definitions import Object, own_definitions, read_briefs

FOLDER = Path(__file__).parent / "charts"
BARE = frozenset({"cluster-autoscaler", "gpu-operator", "istiod", "metrics-server", "nvidia-device-plugin"})
"""Charts that bring no definitions that this program has objects of."""
SAME_AS = {"kube-prometheus-stack": "prometheus-operator-crds"}


def known_charts() -> list[str]:
    """The names of all charts."""
    return sorted({*BARE, *SAME_AS, *(path.stem for folder in (FOLDER, OWN) for path in folder.glob("*.yaml"))})


def chart_name(chart: str) -> str:
    """A chart's name out of its reference: `oci://host/path/karpenter`, `repository/velero`, `velero`."""
    return chart.rstrip("/").rpartition("/")[2]


@cache
def definitions(chart: str) -> tuple[Object, ...]:
    """The custom resource definitions of a chart, complete."""
    if chart in BARE:
        return ()
    return own_definitions(chart) or read_briefs(FOLDER / f"{SAME_AS.get(chart, chart)}.yaml")
