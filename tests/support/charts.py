"""Chart archives: their content, and small substitutes for the published files they are built from."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import yaml

from dr.clusters.charts import Chart
from sandbox.charts.contents import ISTIO_KINDS
from sandbox.charts.served import archive
from sandbox.toolchain.chart_sources import (
    ISTIO,
    ISTIO_DEFINITIONS,
    KARPENTER,
    PROMETHEUS,
    PROMETHEUS_DEFINITIONS,
    PUBLISHED,
)


def unpack(packed: bytes) -> dict[str, bytes]:
    """Return the files of an archive by path."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        return {each.name: file.read() for each in tar.getmembers() if (file := tar.extractfile(each)) is not None}


def served_definitions(chart: Chart) -> list[dict[str, Any]]:
    """Return the custom resource definitions in a chart's archive, built from the published files."""
    files = unpack(archive(chart, PUBLISHED.ensure(lambda text, share: None)))
    streams = [text for path, text in files.items() if path.split("/")[1] in ("crds", "files")]
    # Published definitions are large; the pure Python loader takes seconds.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for stream in streams for each in yaml.load_all(stream, loader)]


def definition(name: str) -> str:
    return (
        f"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {name}\nspec: {{}}\n"
    )


def fake_sources(folder: Path) -> Path:
    """Return a folder of minimal published files, laid out as `PUBLISHED` expects."""
    published = {
        f"{KARPENTER}/charts/karpenter/Chart.yaml": "name: karpenter\nversion: 1.10.0\n",
        f"{KARPENTER}/charts/karpenter/README.md": "Not served.\n",
        f"{KARPENTER}/charts/karpenter/values.yaml": "controller: {image: {tag: 1.10.0, digest: 'sha256:1'}}\n",
        f"{KARPENTER}/charts/karpenter/templates/service.yaml": "kind: Service\n",
        f"{KARPENTER}/pkg/apis/crds/karpenter.sh_nodepools.yaml": definition("nodepools.karpenter.sh"),
        **{f"{PROMETHEUS}/{path}": definition(Path(path).stem) for path in PROMETHEUS_DEFINITIONS},
        f"{ISTIO}/{ISTIO_DEFINITIONS}": "# Generated\n---\n"
        + "---\n".join(map(definition, ("gateways.networking.istio.io", *ISTIO_KINDS))),
    }
    for path, text in published.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder
