"""Publishers of charts and images, which programs reach through the emulator as their proxy.

They serve the charts of dr/clusters/charts.py, in the pinned versions, and small images in place of those of
dr/supply/catalog.py and of the settings. Other requests get 404. Connections to other hosts are not accepted.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dr.clusters.charts import CHARTS
from dr.config.image_references import parse
from dr.errors import DrError
from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.aws.faults import Faults
from sandbox.charts import images
from sandbox.charts.registry import Registry
from sandbox.charts.served import artifacts, references, responses
from sandbox.toolchain.chart_sources import PUBLISHED

HOSTS = frozenset(urlsplit(chart.repository).netloc for chart in CHARTS) | images.hosts()
MANIFEST_PATH = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>.+)")
PASSED_ON = ("content-length", "content-type", "docker-content-digest", "docker-distribution-api-version")


class Publishers:
    """All publishers.

    Args:
        folder: Folder of the registry's content.
        faults: Injected faults.
    """

    def __init__(self, folder: Path, faults: Faults) -> None:
        self._registry, self._faults = Registry(folder), faults
        self._lock = threading.Lock()
        self._filled = False
        self._images: set[tuple[str, str, str]] = set()

    def site(self, host: str) -> Site | None:
        """Return the site of a host; None if it is not a publisher's. Raises ConnectionCutError."""
        if host not in HOSTS:
            return None
        if self._faults.publishers_down():
            raise ConnectionCutError(f"{host} cannot be reached")
        return Site(self, host)

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
                self._fill(sources)
                if match := MANIFEST_PATH.fullmatch(path):
                    self._provide(host, match["name"], match["reference"])
            # One registry serves all hosts; the path of a repository starts with the name of its host.
            target = path if path == "/v2/" else f"/v2/{host}/{path.removeprefix('/v2/')}"
            answer = self._registry.request(method, target, headers=headers)
        except DrError as error:
            return Answer.of_text(f"{error}\n", 503)
        passed_on = {name: answer.headers[name] for name in PASSED_ON if name in answer.headers}
        return Answer(answer.status, answer.data, passed_on)

    def _fill(self, sources: Path) -> None:
        """Push the charts, and the images that they and the settings name: they can be asked for by digest at once."""
        if self._filled:
            return
        for each in artifacts(sources):
            self._registry.push(each)
        for reference in references(sources):
            if found := parse(reference):
                self._provide(images.served_by(found.registry), found.name, found.tag or "")
        self._filled = True

    def _provide(self, host: str, name: str, tag: str) -> None:
        """Push an image at the first request for its tag."""
        if ":" in tag or (host, name, tag) in self._images or not images.exists(host, name, tag):
            return
        self._registry.push(images.image(host, name, tag))
        self._images.add((host, name, tag))


@dataclass(frozen=True)
class Site:
    """One of the publishers' hosts.

    Args:
        hosts: All publishers.
        host: Name of the host.
    """

    hosts: Publishers
    host: str

    def send(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """Return the response to a WSGI request."""
        headers = {"Accept": environ["HTTP_ACCEPT"]} if "HTTP_ACCEPT" in environ else {}
        return self.hosts.answer(self.host, environ["REQUEST_METHOD"], environ["PATH_INFO"], headers)
