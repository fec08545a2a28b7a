"""Paths of the sandbox's files, all in one folder; the sandbox writes nothing outside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from dr.errors import Failed, Problem

ROOT = Path(__file__).resolve().parent.parent
"""Root of the checkout."""


@dataclass(frozen=True)
class Local:
    """Paths of a sandbox.

    Args:
        folder: Folder of all files; DR_SANDBOX_STATE, by default `.local/sandbox` in the checkout.
        project: Folder of Pulumi.yaml; DR_PROJECT, by default the checkout.
    """

    folder: Path
    project: Path

    @classmethod
    def from_environment(cls) -> Local:
        """Return the sandbox of the environment variables, by default that of this checkout."""
        folder = os.environ.get("DR_SANDBOX_STATE", ROOT / ".local" / "sandbox")
        return cls(Path(folder).absolute(), Path(os.environ.get("DR_PROJECT", ROOT)).absolute())

    @property
    def emulator(self) -> Path:
        """Description of the running emulator: pid, endpoint, run ID."""
        return self.folder / "emulator.json"

    @property
    def log(self) -> Path:
        """Log of the emulator."""
        return self.folder / "emulator.log"

    @property
    def authority(self) -> Path:
        """Certificate of the emulator's certificate authority."""
        return self.folder / "authority.pem"

    @property
    def forks(self) -> Path:
        """Socket of the fork server."""
        return self.folder / "forks.sock"

    @property
    def backend(self) -> Path:
        """Pulumi backend with the state of the stacks."""
        return self.folder / "backend"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME of the engine, with plugins and logs; separate from the user's."""
        return self.folder / "pulumi-home"

    @property
    def commands(self) -> Path:
        """Folder of launchers on the shell's PATH: `dr`."""
        return self.folder / "bin"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig with a context for each region with a cluster; written by the emulator."""
        return self.folder / "kubeconfig"

    @property
    def deployed(self) -> Path:
        """Fingerprint of the last deployment of each stack, so that `up` skips unchanged stacks."""
        return self.folder / "deployed.json"

    @property
    def journal(self) -> Path:
        """Journal of the runs of `up`."""
        return self.folder / "journal.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the sandbox, so that only one `up` or `down` runs at a time.

        Raises:
            Failed: The folder is not writable.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / "lock")
            lock.acquire()
        except OSError as error:
            remedy = "make it writable, free some space, or name another folder in DR_SANDBOX_STATE"
            problem = Problem(str(self.folder), f"the sandbox cannot write there: {error.strerror}", remedy)
            raise Failed(problem) from error
        try:
            yield
        finally:
            lock.release()


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty if the file is missing, incomplete or not an object."""
    try:
        values = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file atomically: readers see the old or the new content, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(values, indent=2))
    draft.replace(path)
