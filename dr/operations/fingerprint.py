"""Fingerprint of what a drill proves: code, configuration, tier and model set.

A proof counts while the fingerprint is the same. It has hashes only, and no value of the configuration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from dr.operations.data_steps import newest_whole
from dr.operations.scene import Scene
from dr.topology.topology import Topology

ROOT = Path(__file__).parents[2]
PROGRAM = ("__main__.py", "components", "dr", "policies", "stacks")
"""Files and folders of the program. A machine that only operates may have `dr` alone."""
DIGITS = 12
"""Hexadecimal digits of each part in the value."""
OWN = ("tier", "activation")
"""Fields of the topology that are not its configuration: the tier is a part of its own."""


@dataclass(frozen=True)
class Fingerprint:
    """What a drill proves.

    Args:
        parts: By name: hash of the code, hash of the configuration, the tier, and the ID of the model set.
    """

    parts: Mapping[str, str]

    @property
    def value(self) -> str:
        """Hashes of the parts in their order, so that `changed` can name the part that differs."""
        return "-".join(_hash(part.encode()) for part in self.parts.values())

    @property
    def versions(self) -> dict[str, str]:
        """The parts and the value by name, for the evidence of a run."""
        return {**self.parts, "fingerprint": self.value}

    def changed(self, before: str) -> tuple[str, ...]:
        """Return the names of the parts that differ from an earlier fingerprint.

        Args:
            before: Value of the earlier fingerprint; all parts differ from one in another form.
        """
        earlier, now = before.split("-"), self.value.split("-")
        if len(earlier) != len(now):
            return tuple(self.parts)
        return tuple(name for name, was, is_ in zip(self.parts, earlier, now, strict=True) if was != is_)


def of(scene: Scene) -> Fingerprint:
    """Return the fingerprint of what is deployed, from the recovery region.

    Args:
        scene: The recovery region.

    Raises:
        Unreachable: The region does not answer.
    """
    found, _ = newest_whole(scene)
    return Fingerprint(
        {
            "code": code(ROOT),
            "configuration": configuration(scene.topology),
            "tier": str(scene.tier),
            "model_set": found.set_id if found else "none",
        }
    )


@cache
def code(root: Path) -> str:
    """Return the hash of the program's files: their paths and contents.

    Args:
        root: Folder of the program.
    """
    total = hashlib.sha256()
    for path in sorted(_files(root)):
        total.update(f"{path.relative_to(root).as_posix()}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def configuration(topology: Topology) -> str:
    """Return the hash of a topology without its tier, the same in every process."""
    values = {name: value for name, value in asdict(topology).items() if name not in OWN}
    return _hash(json.dumps(values, sort_keys=True, default=str).encode())


def _files(root: Path) -> Iterator[Path]:
    for name in PROGRAM:
        path = root / name
        found = (path,) if path.is_file() else path.rglob("*")
        yield from (each for each in found if each.is_file() and each.suffix != ".pyc" and each.name[0] != ".")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
