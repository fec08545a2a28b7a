"""The code of pods: what a ConfigMap holds and how a volume lays it out. Pure.

A ConfigMap's keys have no folders, so a volume's `items` give each its path again. It is mounted at `MOUNT` and run as
`python -m dr.pods.<entry>` with `ENVIRONMENT`: the image needs Python 3.11 and boto3, and nothing of this project. So
the image is one that exists, pinned by its digest, and this project has none to build, scan and copy between regions.
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
    # The code is mounted to be read only, and so is the image.
    "PYTHONDONTWRITEBYTECODE": "1",
    # A line is to be in the log when it is written, not when the pod ends.
    "PYTHONUNBUFFERED": "1",
}
MAX_BYTES = 1 << 20
"""What a ConfigMap may hold (Kubernetes documentation, "ConfigMaps")."""


@dataclass(frozen=True)
class PodCode:
    """Code of an entry.

    Args:
        entry: Its name: "fetch_models".
        data: A ConfigMap's data: key to text.
        items: Key to the path below the mount.
    """

    entry: str
    data: Mapping[str, str]
    items: Mapping[str, str]

    @property
    def command(self) -> Sequence[str]:
        """What a container runs."""
        return ("python", "-m", f"dr.pods.{self.entry}")

    @property
    def digest(self) -> str:
        """Hash of all of it: an annotation by which pods are replaced when their code changes."""
        return hashlib.sha256(json.dumps(dict(self.data), sort_keys=True).encode()).hexdigest()


def pod_code(entry: str) -> PodCode:
    """The code of `dr/pods/<entry>.py`: itself, and what it imports of this project.

    Raises:
        FileNotFoundError: there is no such entry.
        ValueError: it is more than a ConfigMap holds.
    """
    files = files_of(f"dr.pods.{entry}")
    keys = {path: path.replace("/", ".") for path in files}
    data = {keys[path]: text for path, text in files.items()}
    size = sum(len(key.encode()) + len(text.encode()) for key, text in data.items())
    if size > MAX_BYTES:
        raise ValueError(f"the code of {entry} has {size} bytes, and a ConfigMap holds {MAX_BYTES}; import less there")
    return PodCode(entry, data, {key: path for path, key in keys.items()})
