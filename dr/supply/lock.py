"""The lock file: digests of all images and charts, resolved once for both regions.

`dr supply sync` writes it, and it is committed with the stack files. The program names images by these digests, so both
regions run the same images, also while no publisher answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dr.errors import Invalid, Problem

FILE = "supply.json"
VERSION = 1
SYNC = "`dr supply sync`"


@dataclass(frozen=True)
class LockedChart:
    """A resolved chart.

    Args:
        digest: Digest of its manifest in a registry.
        archive: Digest of its archive.
        images: Image references of its pods by the image's place in the chart's values.
    """

    digest: str
    archive: str
    images: Mapping[str, str]


@dataclass(frozen=True)
class Lock:
    """The content of the lock file.

    Args:
        images: Digests by image reference.
        charts: Charts by name and version.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    charts: Mapping[str, LockedChart] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the text of the file, sorted, so that a change is a readable difference."""
        charts = {
            key: {"digest": each.digest, "archive": each.archive, "images": dict(each.images)}
            for key, each in self.charts.items()
        }
        return json.dumps({"version": VERSION, "images": dict(self.images), "charts": charts}, indent=2, sort_keys=True)


def read(folder: Path) -> Lock:
    """Return the lock of a project; empty if it has no lock file.

    Args:
        folder: The folder of Pulumi.yaml.

    Raises:
        Invalid: The file is not a lock file of this version.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            fact = f"has version {content['version']}, and this program reads version {VERSION}"
            raise Invalid(
                Problem(str(path), fact, f"use the matching version of this project, or {SYNC} for a new file")
            )
        return Lock(dict(content["images"]), {key: _chart(each) for key, each in content["charts"].items()})
    except FileNotFoundError:
        return Lock()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fact = f"is not a lock file: {type(error).__name__}: {error}"
        raise Invalid(Problem(str(path), fact, f"`git checkout {FILE}`, or delete it and run {SYNC}")) from error


def write(folder: Path, lock: Lock) -> None:
    """Replace the lock file of a project.

    Raises:
        OSError: The file cannot be written.
    """
    path = folder / FILE
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(lock.to_json() + "\n", encoding="utf-8")
    draft.replace(path)


def _chart(content: Mapping[str, Any]) -> LockedChart:
    return LockedChart(content["digest"], content["archive"], dict(content["images"]))
