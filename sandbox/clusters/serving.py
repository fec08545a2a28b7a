"""Model server of a region: one MLServer process answers for the model servers of all pods, behind the pods' proxy.

The process loads the model set that the pods' init container fetches from the region's bucket, and runs while the
region has serving pods. Its start takes seconds of CPU, so it starts after the first prediction request in any region.
Then each region with a cluster keeps a process without models, which loads them when the first pod is scheduled. Until
then, the state of the pods determines the responses of health paths.

Simplified: a region serves one version of the model set with one configuration of the proxy, those of the pods when it
was loaded, even if newer pods have newer ones. When none of those pods exists any longer, both are loaded again.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from weakref import WeakKeyDictionary

from dr.errors import Failed, Problem
from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.clusters import pod_processes, proxy
from sandbox.clusters.api import Api, Thing
from sandbox.clusters.mlserver import lacking
from sandbox.clusters.pod_network import PodNetwork
from sandbox.clusters.proxy import Proxy, ProxyConnection

SCRIPT = Path(__file__).with_name("model_server.py")
START_SECONDS = 90.0
"""Maximum time in seconds that a request waits for a model server to start."""
RELOAD_SECONDS = 2.0
"""Delay in seconds after a failed load, like the kubelet's back-off for an init container."""
PASSED_ON = ("PATH", "LANG", "SYSTEMROOT", "PYTHONPYCACHEPREFIX")
CHECK_SECONDS = 0.5
"""How long the result of a health check is used for all targets of a region, in seconds."""
LISTENER = "inference"
"""Name of the proxy's listener for clients."""
PER_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "proxy-connection"}
"""Headers that a proxy does not forward (RFC 9110, section 7.6.1)."""


class ModelServer:
    """An MLServer process. It imports its modules at its start, before `load`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_plain_environment(),
        )
        self.folder = tempfile.TemporaryDirectory(prefix="models-")
        self.port = 0

    def load(self, models: Path) -> None:
        """Serve the models of a folder. Raises `Failed` if the process ended."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process was started without pipes")
        try:
            stdin.write(f"{models}\n")
            stdin.flush()
            line = stdout.readline()
        except OSError:
            line = ""
        if not line:
            remedy = "read its messages with `python -m sandbox logs`"
            raise Failed(Problem("MLServer", f"it ended before it served {models}", remedy))
        self.port = int(json.loads(line)["port"])

    def kill(self) -> None:
        """Kill the process; `end` is still required."""
        self._process.kill()

    def end(self) -> None:
        """Kill the process and delete its folder."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self.folder.cleanup()


class Served:
    """A model server, and the proxy in front of it.

    Args:
        server: The model server, with its models loaded.
        proxy: The pods' proxy; None for pods without one, in which clients reach the server.
    """

    def __init__(self, server: ModelServer, proxy: Proxy | None) -> None:
        self._server, self._proxy = server, proxy
        self.port = server.port
        self._checked: dict[str, tuple[float, bool]] = {}

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the response to a request. Raises OSError, HTTPException."""
        return _forward(self, method, path, headers, body)

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, not opened yet."""
        if self._proxy:
            return ProxyConnection(self._proxy, LISTENER, START_SECONDS)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)

    def answers(self, path: str) -> bool:
        """Return whether a health check of a path is answered 200."""
        at, found = self._checked.get(path, (0.0, False))
        if time.monotonic() - at > CHECK_SECONDS:
            try:
                found = self.send("GET", path, {}, b"").status == HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                found = False
            self._checked[path] = time.monotonic(), found
        return found

    def end(self) -> None:
        """Stop both processes."""
        if self._proxy:
            self._proxy.stop()
        self._server.end()


class Serving:
    """Model server of one region's cluster.

    Args:
        region: The region.
        api: Client of the cluster's API server.
        network: Network of the cluster's pods.
    """

    def __init__(self, region: str, api: Api, network: PodNetwork) -> None:
        self._region, self._api, self._network = region, api, network
        self._lock = threading.Lock()
        self._spare: ModelServer | None = None
        self._server: Served | None = None
        self._loading: threading.Thread | None = None
        self._pods: frozenset[str] = frozenset()
        self._again_at = 0.0
        self._changed = threading.Condition()
        self._problem = ""
        self._stopped = False

    def step(self, pods: list[Thing]) -> None:
        """Start, load or stop the model server, as the pods require.

        Args:
            pods: Scheduled pods of Services behind the load balancer.
        """
        if lacking() or self._stopped:
            return
        ids = frozenset(pod["metadata"]["uid"] for pod in pods)
        with self._lock:
            if not pods:
                if self._server and not self._loading:
                    self._server.end()
                    self._server, self._pods = None, frozenset()
            elif not ids & self._pods and not self._loading and time.monotonic() >= self._again_at:
                self._pods = ids
                self._loading = threading.Thread(target=self._load, args=(pods[0],), daemon=True)
                self._loading.start()
            if self._spare is None and self._server is None and not self._loading:
                self._spare = ModelServer()

    def stop(self) -> None:
        """Stop the MLServer processes."""
        with self._lock:
            self._stopped = True
            for server in (self._spare, self._server):
                if server:
                    server.end()
            self._spare = self._server = None
        with self._changed:
            self._changed.notify_all()

    @property
    def running(self) -> bool:
        """Whether models are being served."""
        return self._server is not None

    def answers(self, path: str) -> bool:
        """Return whether a health check of a path is answered 200; only while `running`."""
        server = self._server
        return server is not None and server.answers(path)

    @property
    def server_port(self) -> int:
        """The model server's own port on this machine; 0 while none runs."""
        return self._server.port if self._server else 0

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return MLServer's response; wait while it starts. Raises `ConnectionCutError` if it does not answer."""
        with self._changed:
            self._changed.wait_for(lambda: self._server or self._problem or self._stopped, START_SECONDS)
        server = self._server
        if server is None:
            if self._problem:
                return Answer.of_text(f"the sandbox's model server: {self._problem}\n", HTTPStatus.BAD_GATEWAY)
            raise ConnectionCutError(f"no model server in {self._region}")
        try:
            return server.send(method, path, headers, body)
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionCutError(f"the model server of {self._region}: {error}") from error

    def _load(self, pod: Thing) -> None:
        """Fetch models with the pod's init container, load them, and replace the previous process."""
        with self._lock:
            server, self._spare = self._spare or ModelServer(), None
        problem, served = "", None
        try:
            environment = self._network.environment(pod)
            server.load(pod_processes.fetch(pod, self._api.config_map, Path(server.folder.name), environment))
            served = Served(server, proxy.find(pod, self._api.config_map, server.port))
        except Exception as error:  # noqa: BLE001 - requests are answered with the error
            problem = str(error)
            sys.stderr.write(f"the model server of {self._region}: {error}\n")
            server.end()
        with self._lock:
            before = self._server
            if served:
                self._server = served
            self._loading, self._problem = None, problem
            if problem:
                self._pods, self._again_at = frozenset(), time.monotonic() + RELOAD_SECONDS
            if self._stopped and self._server:
                self._server.end()
                self._server = None
        if before and not problem:
            before.end()
        with self._changed:
            self._changed.notify_all()


Kept = WeakKeyDictionary[Served, http.client.HTTPConnection]
KEPT = threading.local()
"""Connections of the current thread to model servers. Each client connection has its own thread."""


def _forward(server: Served, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
    kept: WeakKeyDictionary[Served, http.client.HTTPConnection] = vars(KEPT).setdefault(
        "by_server", WeakKeyDictionary()
    )
    passed = {name: value for name, value in headers.items() if name.lower() not in PER_HOP}
    for fresh in (False, True):
        if fresh or server not in kept:
            kept[server] = server.connect()
            fresh = True
        connection = kept[server]
        try:
            connection.request(method, path, body or None, passed)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        except (OSError, http.client.HTTPException):
            kept.pop(server).close()
            # The model server may have closed an idle connection: retry on a new one.
            if fresh:
                raise
    raise AssertionError("the second attempt answers or raises")


def _plain_environment() -> dict[str, str]:
    """Return an environment without the user's variables, because MLServer reads MLSERVER_ and proxy variables."""
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
