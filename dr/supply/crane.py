"""crane of go-containerregistry, which copies images between registries by digest.

It reads credentials of publishers from Docker's configuration. Those of the regions' registries are added to a copy of
it in a private folder, for the time of one command: they are valid for 12 hours, and belong into no file of the user.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.errors import Failed, Invalid, Problem
from dr.supply.chart_artifact import MANIFEST, Artifact, digest

COMMAND = "crane"
INSTALL = "`go install github.com/google/go-containerregistry/cmd/crane@v0.21.4`, or your package manager's crane"
LONGEST_SECONDS = 3600
"""Longest copy, in seconds; images of inference are 10 GB and more."""


@dataclass(frozen=True)
class Crane:
    """The command with its credentials.

    Args:
        path: The program.
        configuration: Folder of Docker's configuration.
    """

    path: str
    configuration: Path

    def digest(self, reference: str) -> str:
        """Return the digest of an image; of all its platforms together, where it has several. Raises Failed."""
        return self._run(reference, "digest", reference).decode().strip()

    def manifest(self, reference: str) -> bytes:
        """Return a manifest. Raises Failed."""
        return self._run(reference, "manifest", reference)

    def blob(self, reference: str) -> bytes:
        """Return a layer. Raises Failed."""
        return self._run(reference, "blob", reference)

    def copy(self, source: str, target: str) -> None:
        """Copy an image with all its platforms; layers that the target has are not sent. Raises Failed."""
        self._run(target, "copy", source, target)

    def push(self, artifact: Artifact, target: str) -> None:
        """Push a chart. Raises Failed."""
        with tempfile.TemporaryDirectory(prefix="dr-chart-") as folder:
            _write_layout(Path(folder), artifact)
            self._run(target, "push", folder, target)

    def _run(self, subject: str, *arguments: str) -> bytes:
        environment = {**os.environ, "DOCKER_CONFIG": str(self.configuration)}
        try:
            done = subprocess.run(
                [self.path, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LONGEST_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(Problem(subject, f"crane {arguments[0]}: {error}", "run the command again")) from error
        if done.returncode:
            text = done.stderr.decode(errors="replace").strip().splitlines()
            fact = f"crane {arguments[0]}: {text[-1] if text else f'exit code {done.returncode}'}"
            raise Failed(Problem(subject, fact, "fix the reported problem, then run the command again"))
        return done.stdout


@contextmanager
def ready(authorizations: Mapping[str, str]) -> Iterator[Crane]:
    """Find crane and provide credentials until the block ends.

    Args:
        authorizations: User and password in base64, by host of a registry.

    Raises:
        Invalid: PATH has no crane, or Docker's configuration is not JSON.
    """
    path = shutil.which(COMMAND)
    if path is None:
        raise Invalid(Problem("crane", "PATH has no such command, and it copies images", INSTALL))
    with tempfile.TemporaryDirectory(prefix="dr-supply-") as folder:
        file = Path(folder) / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(configuration(_users(), authorizations)), encoding="utf-8")
        yield Crane(path, Path(folder))


def configuration(users: Mapping[str, Any], authorizations: Mapping[str, str]) -> dict[str, Any]:
    """Return Docker's configuration with credentials of registries.

    Args:
        users: The user's own configuration.
        authorizations: User and password in base64, by host.
    """
    auths = {host: {"auth": authorization} for host, authorization in authorizations.items()}
    # An empty helper keeps the user's credential store from being asked for these hosts (docker/cli, configfile.go).
    helpers = dict.fromkeys(authorizations, "")
    return {
        **users,
        "auths": {**users.get("auths", {}), **auths},
        "credHelpers": {**users.get("credHelpers", {}), **helpers},
    }


def _users() -> dict[str, Any]:
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        fact = f"is not a JSON object: {error}"
        raise Invalid(Problem(str(folder / "config.json"), fact, "correct it, or sign in again")) from error


def _write_layout(folder: Path, artifact: Artifact) -> None:
    """Write an artifact as an OCI image layout, from which crane pushes."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in (artifact.config, artifact.layer, artifact.manifest):
        (blobs / digest(content).removeprefix("sha256:")).write_bytes(content)
    entry = {"mediaType": MANIFEST, "digest": digest(artifact.manifest), "size": len(artifact.manifest)}
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
