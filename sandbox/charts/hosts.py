"""Chart hosts that the engine's plugin reaches through the emulator: chart repositories and the OCI registry.

They serve only the charts of dr/clusters/charts.py, in the pinned versions. Other requests get 404, and Helm's error
names the chart or the version. Connections to other hosts are not accepted.
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
    """All chart hosts.

    Args:
        folder: Folder of the registry's content.
    """

    def __init__(self, folder: Path) -> None:
        self._registry = Registry(folder)
        self._lock = threading.Lock()
        self._filled = False

    def site(self, host: str) -> Site | None:
        """Return the site of a host; None if it is not a chart host."""
        return Site(self, host) if host in HOSTS else None

    def answer(self, host: str, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Return the response to a request for a repository's file or to the registry.

        Args:
            host: Host of the request.
            method: HTTP method; only GET and HEAD are allowed.
            path: Path of the request, without a query.
            headers: Headers to pass on to the registry.
        """
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
            # One registry serves all hosts; the path of a repository starts with the name of its host.
            target = path if path == "/v2/" else f"/v2/{host}/{path.removeprefix('/v2/')}"
            answer = self._registry.request(method, target, headers=headers)
        except DrError as error:
            return Answer.of_text(f"{error}\n", 503)
        passed_on = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        return Answer(answer.status, answer.data, passed_on)


@dataclass(frozen=True)
class Site:
    """One of the chart hosts.

    Args:
        hosts: All chart hosts.
        host: Name of the host.
    """

    hosts: ChartHosts
    host: str

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """Return the response to a WSGI request."""
        headers = {"Accept": environ["HTTP_ACCEPT"]} if "HTTP_ACCEPT" in environ else {}
        return self.hosts.answer(self.host, environ["REQUEST_METHOD"], environ["PATH_INFO"], headers)
