"""The hosts of charts that the engine's plugin reaches through the emulator: repositories and the registry.

Only the charts of dr/clusters/charts.py are there, in their one version: to anything else the answer is 404, and Helm's
own error then names the chart or the version. A host that no chart comes from is not answered for at all.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dr.clusters.charts import CHARTS
from dr.errors import DrError
from sandbox.aws.answer import Answer
from sandbox.charts.registry import Registry
from sandbox.charts.served import artifacts, responses
from sandbox.toolchain.chart_sources import PUBLISHED

HOSTS = frozenset(urlsplit(chart.repository).netloc for chart in CHARTS)
PASSED_ON = ("content-length", "content-type", "docker-content-digest", "docker-distribution-api-version")


class ChartHosts:
    """All hosts of charts.

    Args:
        folder: Where the registry keeps its content.
    """

    def __init__(self, folder: Path) -> None:
        self._registry = Registry(folder)
        self._lock = threading.Lock()
        self._filled = False

    def site(self, host: str) -> Site | None:
        """A connection to a host; None where no chart comes from it."""
        return Site(self, host) if host in HOSTS else None

    def answer(self, host: str, method: str, path: str, headers: dict[str, str]) -> Answer:
        """The answer to a request for a file of a repository or to the registry."""
        if method not in ("GET", "HEAD"):
            return Answer.of_text(f"{host} is read-only in the sandbox\n", 405)
        sources = PUBLISHED.find()
        if sources is None:
            return Answer.of_text("published charts were not fetched: run `python -m sandbox.toolchain`\n", 503)
        if path.startswith("/v2/"):
            return self._ask_registry(host, method, path, headers, sources)
        if file := responses(sources).get((host, path)):
            return Answer(200, file.content, {"Content-Type": file.media_type})
        return Answer.of_text(f"{host} has no {path}\n", 404)

    def stop(self) -> None:
        """Stop the registry."""
        self._registry.stop()

    def _ask_registry(self, host: str, method: str, path: str, headers: dict[str, str], sources: Path) -> Answer:
        try:
            with self._lock:
                if not self._filled:
                    for each in artifacts(sources):
                        self._registry.push(each)
                    self._filled = True
            # One registry serves all hosts; a host's repositories are below its name.
            target = path if path == "/v2/" else f"/v2/{host}/{path.removeprefix('/v2/')}"
            answer = self._registry.request(method, target, headers=headers)
        except DrError as error:
            return Answer.of_text(f"{error}\n", 503)
        passed_on = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        return Answer(answer.status, answer.data, passed_on)


@dataclass(frozen=True)
class Site:
    """A connection to one of the hosts."""

    hosts: ChartHosts
    host: str

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """The answer to a request."""
        headers = {"Accept": environ["HTTP_ACCEPT"]} if "HTTP_ACCEPT" in environ else {}
        return self.hosts.answer(self.host, environ["REQUEST_METHOD"], environ["PATH_INFO"], headers)
