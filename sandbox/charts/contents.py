"""Files of each chart's archive, and their sources.

The karpenter chart is the published one, with its templates. Other charts have only custom resource definitions, or no
objects. The definitions are the published ones if a Go module has them, else those of this project.
`WITHOUT_TEMPLATES` has the reason for each chart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from dr.clusters.charts import BACKUP, BALANCER, DEVICE_PLUGIN, MESH, MESH_BASE, NODE_MAKER, PROMETHEUS, SCALER, Chart
from dr.supply.catalog import images_of
from dr.supply.chart_artifact import PLACEHOLDER
from dr.supply.mirror import placed
from sandbox.charts.definitions import own_definitions, pick
from sandbox.charts.schema import schema_file
from sandbox.toolchain.chart_sources import ISTIO, ISTIO_DEFINITIONS, KARPENTER, PROMETHEUS_DEFINITIONS
from sandbox.toolchain.chart_sources import PROMETHEUS as OPERATOR

Files = dict[str, bytes]
WITHOUT_TEMPLATES: Mapping[str, str] = {
    BALANCER.name: "no Go module has them; their webhooks fail closed, and no TargetGroupBinding could be created",
    SCALER.name: "no Go module has them; the sandbox has an autoscaler of its own",
    DEVICE_PLUGIN.name: "no Go module has them; nodes have their GPUs without it",
    PROMETHEUS.name: "no Go module has them; alerts are not evaluated in the cluster",
    BACKUP.name: "the Go module is a download of 42 MB, and has the definitions alone",
    MESH_BASE.name: "a webhook that needs istiod; of its templates the definitions are served",
    MESH.name: "webhooks that need istiod: no pod could be created where sidecars are injected",
}
"""Charts without their published templates, and the reason."""
ISTIO_KINDS = ("destinationrules.networking.istio.io", "virtualservices.networking.istio.io")
"""Custom resource definitions of the objects that the stacks create; the module has 13 more."""
SHOW_DEFINITIONS = b'{{ .Files.Get "files/crds.yaml" }}\n'


def chart_files(chart: Chart, sources: Path) -> Files:
    """Return the files of a chart's archive.

    Args:
        chart: The chart.
        sources: Folder of published files (`sandbox.toolchain.chart_sources.PUBLISHED`).
    """
    return {
        "Chart.yaml": yaml.safe_dump(chart_metadata(chart, sources), sort_keys=False).encode(),
        **default_images(chart),
        "values.schema.json": schema_file(chart.name),
        **PUBLISHED.get(chart.name, _own)(chart, sources),
    }


def chart_metadata(chart: Chart, sources: Path) -> dict[str, Any]:
    """Return the content of a chart's Chart.yaml."""
    if chart.name == NODE_MAKER.name:
        published = yaml.safe_load((sources / KARPENTER / "charts/karpenter/Chart.yaml").read_text("utf-8"))
        # Karpenter's release process sets both versions; its repository has those of the previous release.
        return {**published, "version": chart.version, "appVersion": chart.version}
    return {
        "apiVersion": "v2",
        "name": chart.name,
        "version": chart.version,
        "type": "application",
        "appVersion": chart.version,
        "description": "Definitions and values schema only, for the ml-dr sandbox",
    }


def default_images(chart: Chart) -> Files:
    """Return values.yaml with the versions of the chart's images, and the subcharts that name others.

    The versions are the chart's own, since those of the published charts are not known here.
    """
    values: dict[str, Any] = {}
    files: Files = {}
    for image in images_of(chart):
        if image.subchart:
            about = {"apiVersion": "v2", "name": image.subchart, "version": "0.0.1", "appVersion": chart.version}
            files[f"charts/{image.subchart}/Chart.yaml"] = yaml.safe_dump(about).encode()
            files[f"charts/{image.subchart}/values.yaml"] = b"{}\n"
            continue
        path = PLACEHOLDER.fullmatch(image.tags[0])
        if path and path[1] != "appVersion":
            values = placed(values, path[1].split("."), f"v{chart.version}")
    return {"values.yaml": yaml.safe_dump(values).encode(), **files}


def _own(chart: Chart, sources: Path) -> Files:
    definitions = own_definitions(chart.name)
    return {
        f"crds/{each['metadata']['name']}.yaml": yaml.safe_dump(each, sort_keys=False).encode() for each in definitions
    }


def _prometheus(chart: Chart, sources: Path) -> Files:
    return {f"crds/{Path(path).name}": (sources / OPERATOR / path).read_bytes() for path in PROMETHEUS_DEFINITIONS}


def _istio(chart: Chart, sources: Path) -> Files:
    """Return the definitions as a template, as in the published chart: Helm does not upgrade definitions in crds/."""
    stream = (sources / ISTIO / ISTIO_DEFINITIONS).read_text("utf-8")
    return {"files/crds.yaml": pick(stream, *ISTIO_KINDS).encode(), "templates/crds.yaml": SHOW_DEFINITIONS}


def _karpenter(chart: Chart, sources: Path) -> Files:
    published, definitions = sources / KARPENTER / "charts/karpenter", sources / KARPENTER / "pkg/apis/crds"
    values = yaml.safe_load((published / "values.yaml").read_text("utf-8"))
    # Karpenter's release process sets the tag; the digest in its repository is of another release's image.
    values["controller"]["image"].update(tag=chart.version, digest="")
    return {
        "values.yaml": yaml.safe_dump(values, sort_keys=False).encode(),
        **{f"templates/{file.name}": file.read_bytes() for file in sorted((published / "templates").iterdir())},
        **{f"crds/{file.name}": file.read_bytes() for file in sorted(definitions.iterdir())},
    }


PUBLISHED: Mapping[str, Callable[[Chart, Path], Files]] = {
    PROMETHEUS.name: _prometheus,
    MESH_BASE.name: _istio,
    NODE_MAKER.name: _karpenter,
}
"""Functions that read published files, by chart. Other charts have this project's definitions, if any."""
