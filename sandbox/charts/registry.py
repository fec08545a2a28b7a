"""An OCI registry: `crane registry serve` on loopback, with its content in a folder."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import urllib3

from dr.errors import Failed, Problem
from sandbox.charts.oci import Artifact, digest
from sandbox.control_plane.supervised import Supervised
from sandbox.toolchain.crane import CRANE

START_SECONDS, REQUEST_SECONDS = 20.0, 10.0
BLOB = "application/octet-stream"


class Registry:
    """An OCI registry that starts at the first request and ends with this process.

    Args:
        folder: Folder of the registry's content and log; created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._processes = Supervised(folder / "processes.json")

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and return the response.

        Raises:
            Failed: The registry cannot be started, or does not answer.
        """
        with self._lock:
            if not self._processes.started:
                self._start()
        try:
            return urllib3.request(
                method, f"http://127.0.0.1:{self._port()}{path}", body=body, headers=headers, timeout=REQUEST_SECONDS
            )
        except urllib3.exceptions.HTTPError as error:
            raise Failed(self._problem(f"{method} {path}: {error}")) from error

    def push(self, artifact: Artifact) -> None:
        """Upload an artifact to a repository path that starts with the name of its host.

        Raises:
            Failed: The registry cannot be started, or rejects the artifact.
        """
        base = f"/v2/{artifact.host}/{artifact.repository}"
        tags = [*(digest(each) for each in artifact.manifests[:-1]), artifact.tag]
        puts = [
            *(("POST", f"{base}/blobs/uploads/?digest={digest(blob)}", blob, BLOB) for blob in artifact.blobs),
            *(
                ("PUT", f"{base}/manifests/{tag}", manifest, media_type)
                for tag, manifest, media_type in zip(tags, artifact.manifests, artifact.media_types, strict=True)
            ),
        ]
        for method, path, content, media_type in puts:
            answer = self.request(method, path, content, {"Content-Type": media_type})
            if answer.status != 201:
                raise Failed(self._problem(f"{method} {path} was answered {answer.status}: {answer.data[:200]!r}"))

    def stop(self) -> None:
        """Stop the registry and keep its folder."""
        with self._lock:
            self._processes.stop()

    @property
    def _log(self) -> Path:
        return self._folder / "registry.log"

    def _start(self) -> None:
        crane = CRANE.find()
        if crane is None:
            fact = "`crane`, which serves it, is missing"
            raise Failed(Problem("an OCI registry of the sandbox", fact, "run `python -m sandbox.toolchain`"))
        content = self._folder / "content"
        content.mkdir(parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)
        command = [str(crane), "registry", "serve", "--address", "127.0.0.1:0", "--disk", str(content)]
        wanted = {"name": "registry", "command": command, "log": str(self._log), "environment": {}, "end": "SIGTERM"}
        self._processes.start()
        self._processes.add([wanted])
        self._port()

    def _port(self) -> int:
        """Return the port of the registry, read from its log. A restart changes the port."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            ports = re.findall(r"serving on port (\d+)", self._log.read_text()) if self._log.exists() else []
            if ports:
                return int(ports[-1])
            if time.monotonic() > deadline:
                raise Failed(self._problem(f"it has not printed its port within {START_SECONDS:g} s"))
            time.sleep(0.02)

    def _problem(self, fact: str) -> Problem:
        return Problem("an OCI registry of the sandbox", fact, f"read {self._log}, then start the sandbox again")
