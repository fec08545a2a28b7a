"""The code of pods: data of its ConfigMap and paths of its volume. Pure.

Keys of a ConfigMap have no folders, so `items` of the volume maps keys to paths. The volume is mounted at `MOUNT`
and run as `python -m dr.pods.<entry>` with `ENVIRONMENT`. The image needs Python 3.11 and boto3, and no code of this
project: a public image, pinned by digest, is used, so no image has to be built, scanned and copied between regions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.code_files import files_of

MOUNT = "/opt/ml-dr"
ENVIRONMENT: Mapping[str, str] = {
    "PYTHONPATH": MOUNT,
    # The code and the image are read-only.
    "PYTHONDONTWRITEBYTECODE": "1",
    # Log lines appear when they are written, not when the pod ends.
    "PYTHONUNBUFFERED": "1",
}
MAX_BYTES = 1 << 20
"""Size limit of a ConfigMap (Kubernetes documentation, "ConfigMaps")."""


@dataclass(frozen=True)
class PodCode:
    """The code of an entry module.

    Args:
        entry: Name of the module in `dr/pods/`: "fetch_models".
        data: Data of the ConfigMap: file text by key.
        items: Path below the mount by key.
    """

    entry: str
    data: Mapping[str, str]
    items: Mapping[str, str]

    @property
    def command(self) -> Sequence[str]:
        """The container's command."""
        return ("python", "-m", f"dr.pods.{self.entry}")

    @property
    def digest(self) -> str:
        """SHA-256 of the data. As an annotation, it makes a change of code replace the pods."""
        return hashlib.sha256(json.dumps(dict(self.data), sort_keys=True).encode()).hexdigest()


def pod_code(entry: str) -> PodCode:
    """Return the code of `dr/pods/<entry>.py`: the module and what it imports from this project.

    Raises:
        FileNotFoundError: The entry does not exist.
        ValueError: The code exceeds the size limit of a ConfigMap.
    """
    files = files_of(f"dr.pods.{entry}")
    keys = {path: path.replace("/", ".") for path in files}
    data = {keys[path]: text for path, text in files.items()}
    size = sum(len(key.encode()) + len(text.encode()) for key, text in data.items())
    if size > MAX_BYTES:
        raise ValueError(f"the code of {entry} has {size} bytes; a ConfigMap holds {MAX_BYTES}. Import fewer modules")
    return PodCode(entry, data, {key: path for path, key in keys.items()})
