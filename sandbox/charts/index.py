"""Index of a chart repository. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import yaml

from dr.clusters.charts import Chart

CREATED = "2026-01-01T00:00:00Z"
"""Creation date of all entries; constant, so that the index is reproducible."""


def archive_name(chart: Chart) -> str:
    """Return the file name of a chart's archive."""
    return f"{chart.name}-{chart.version}.tgz"


def repository_index(archives: Mapping[Chart, bytes]) -> bytes:
    """Return the index.yaml of a repository with these archives."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart, archive in archives.items():
        entry = {
            "apiVersion": "v2",
            "name": chart.name,
            "version": chart.version,
            "created": CREATED,
            "digest": hashlib.sha256(archive).hexdigest(),
            "urls": [archive_name(chart)],
        }
        entries.setdefault(chart.name, []).append(entry)
    index = {"apiVersion": "v1", "generated": CREATED, "entries": entries}
    return yaml.safe_dump(index, sort_keys=False).encode()
