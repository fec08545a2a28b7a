"""Charts at their publishers: chart repositories over HTTPS, and OCI registries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from dr.clusters.charts import Chart
from dr.errors import Failed, Problem
from dr.supply.catalog import chart_key
from dr.supply.chart_artifact import Artifact, archive_digest, artifact, read_file
from dr.supply.crane import Crane
from dr.supply.region_registry import download, verified


def fetch(chart: Chart, crane: Crane) -> Artifact:
    """Return a chart from its publisher, verified by the digest that the publisher states.

    Raises:
        Failed: The publisher lacks it, or returns something else.
        Unreachable: The publisher does not answer.
    """
    if chart.is_oci:
        return _from_registry(chart, crane)
    subject = f"chart {chart_key(chart)} of {chart.repository}"
    entry = _entry(chart, subject)
    archive = download(urljoin(f"{chart.repository}/", entry["urls"][0]), subject)
    if stated := entry.get("digest"):
        verified(archive, f"sha256:{stated}", subject)
    return artifact(read_file(archive, "Chart.yaml"), archive)


def oci_reference(chart: Chart) -> str:
    """Return the reference of a chart in its publisher's registry; `_` replaces `+` (helm/helm, pkg/registry)."""
    return f"{chart.repository.removeprefix('oci://')}:{chart.version.replace('+', '_')}"


def _from_registry(chart: Chart, crane: Crane) -> Artifact:
    reference = oci_reference(chart)
    repository = chart.repository.removeprefix("oci://")
    manifest = crane.manifest(reference)
    content = json.loads(manifest)
    layer = archive_digest(content, reference)
    config = content["config"]["digest"]
    archive = verified(crane.blob(f"{repository}@{layer}"), layer, reference)
    return Artifact(crane.blob(f"{repository}@{config}"), archive, manifest)


def _entry(chart: Chart, subject: str) -> Mapping[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # an index has megabytes
    index = yaml.load(download(f"{chart.repository}/index.yaml", subject), loader)  # noqa: S506 - both are safe
    for entry in index.get("entries", {}).get(chart.name, ()):
        if entry["version"] == chart.version:
            return dict(entry)
    raise Failed(Problem(subject, "the repository's index lacks it", "check its version in dr/clusters/charts.py"))
