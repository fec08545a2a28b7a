"""Where the sandbox keeps what it makes: one folder, and nothing outside it."""

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
"""The checkout."""


@dataclass(frozen=True)
class Local:
    """A sandbox's folder.

    Args:
        folder: Where everything is; `.local/sandbox` of the checkout, or DR_SANDBOX_STATE.
        project: The folder of Pulumi.yaml; the checkout, or DR_PROJECT.
    """

    folder: Path
    project: Path

    @classmethod
    def from_environment(cls) -> Local:
        """The sandbox of this checkout, or the one the environment names."""
        folder = os.environ.get("DR_SANDBOX_STATE", ROOT / ".local" / "sandbox")
        return cls(Path(folder).absolute(), Path(os.environ.get("DR_PROJECT", ROOT)).absolute())

    @property
    def emulator(self) -> Path:
        """What the running emulator says of itself."""
        return self.folder / "emulator.json"

    @property
    def log(self) -> Path:
        """What the emulator prints."""
        return self.folder / "emulator.log"

    @property
    def authority(self) -> Path:
        """The certificate of the emulator's authority."""
        return self.folder / "authority.pem"

    @property
    def forks(self) -> Path:
        """The socket of the fork server."""
        return self.folder / "forks.sock"

    @property
    def backend(self) -> Path:
        """The stacks' state."""
        return self.folder / "backend"

    @property
    def pulumi_home(self) -> Path:
        """The engine's home: plugins and logs; never the person's own."""
        return self.folder / "pulumi-home"

    @property
    def commands(self) -> Path:
        """Launchers for the shell: `dr`."""
        return self.folder / "bin"

    @property
    def kubeconfig(self) -> Path:
        """A context for each region that has a cluster now; the emulator writes it."""
        return self.folder / "kubeconfig"

    @property
    def deployed(self) -> Path:
        """What was deployed, by stack, so that nothing is done twice."""
        return self.folder / "deployed.json"

    @property
    def journal(self) -> Path:
        """Runs of `up`."""
        return self.folder / "journal.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One `up` or `down` at a time.

        Raises:
            Failed: the folder cannot be written.
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
    """A JSON object from a file; empty where there is none, or a torn one."""
    try:
        values = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return values if isinstance(values, dict) else {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file so that a reader sees the old or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(values, indent=2))
    draft.replace(path)
