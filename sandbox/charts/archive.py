"""Archives of charts, as `helm package` makes them. Pure and reproducible: same files, same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

Files = Mapping[str, bytes]
"""Content by path within the chart: `Chart.yaml`, `crds/backups.yaml`."""
FIRST = ("Chart.yaml", "values.yaml", "values.schema.json")
"""Helm's order of the first files; the rest follows by name."""


def pack(name: str, files: Files) -> bytes:
    """The archive of a chart: a gzipped tar in which every path begins with the chart's name.

    Args:
        name: The chart's name.
        files: Its files.

    Raises:
        ValueError: it has no Chart.yaml, or a path leads out of the chart.
    """
    if "Chart.yaml" not in files:
        raise ValueError(f"chart {name} has no Chart.yaml")
    if outside := [path for path in files if path.startswith("/") or ".." in path.split("/")]:
        raise ValueError(f"chart {name} has paths that lead out of it: {', '.join(outside)}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(files, key=lambda path: (path not in FIRST, path)):
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(files[path]), 0o644
            # Time, owner and group stay 0: the archive's digest depends on nothing but its content.
            archive.addfile(entry, io.BytesIO(files[path]))
    return gzip.compress(packed.getvalue(), mtime=0)
