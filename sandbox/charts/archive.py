"""Chart archives in the format of `helm package`. Pure and reproducible: equal files give equal bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

Files = Mapping[str, bytes]
"""File content by path in the chart: `Chart.yaml`, `crds/backups.yaml`."""
FIRST = ("Chart.yaml", "values.yaml", "values.schema.json")
"""First files of an archive, in Helm's order; other files follow by name."""


def pack(name: str, files: Files) -> bytes:
    """Return the archive of a chart: a gzipped tar in which each path starts with the chart's name.

    Args:
        name: Name of the chart.
        files: Files of the chart.

    Raises:
        ValueError: Chart.yaml is missing, or a path is outside the chart.
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
            # Time, owner and group are 0, so that the archive's digest depends only on its content.
            archive.addfile(entry, io.BytesIO(files[path]))
    return gzip.compress(packed.getvalue(), mtime=0)
