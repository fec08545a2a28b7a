"""Pods of inference without an owner: their containers run on this machine, each pod with a model server of its own.

A Deployment's pods never run here: `serving.py` runs one model server for all of them. A pod that is created by hand,
as by a drill, exists to see what happens inside it. So its Python containers run, its server loads the models that its
own init container fetched, and its status has their exit codes and messages. The stages of kwok assign such a pod its
address, and leave the rest of its status to this module.

Simplified: `restartPolicy: Never` only; Python containers start when the server has loaded its models; probes are not
sent, and a server that ends later is not noticed.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from urllib3.exceptions import HTTPError

from dr.errors import Failed, Problem
from sandbox.clusters import pod_processes, pod_statuses, proxy
from sandbox.clusters.api import STRATEGIC, Api, RefusedError, Thing, Watched
from sandbox.clusters.mlserver import lacking
from sandbox.clusters.nodes import pod_path
from sandbox.clusters.pod_network import PodNetwork
from sandbox.clusters.pod_processes import Outcome, Process
from sandbox.clusters.proxy import Proxy
from sandbox.clusters.serving import ModelServer, Served

RETRY_SECONDS = 0.5
"""Delay in seconds after a status was not written, as while the region is unreachable."""
START_ERROR = 128
"""Exit code of a container that cannot be started (reason `StartError` of container runtimes)."""
NO_PORT = 1
"""TCP port on which nothing listens, for the server's port if the server did not start."""


class BarePods:
    """The bare pods of inference in one cluster.

    Args:
        api: Client of the cluster's API server.
        pods: Pods of the cluster.
        network: Network of the cluster's pods.
    """

    def __init__(self, api: Api, pods: Watched, network: PodNetwork) -> None:
        self._api, self._pods, self._network = api, pods, network
        self._runs: dict[str, BarePod] = {}

    def step(self) -> None:
        """Start pods that have an address, and end those that were deleted."""
        found = {pod["metadata"]["uid"]: pod for pod in self._pods.all() if is_bare(pod)}
        for uid in self._runs.keys() - found.keys():
            self._runs.pop(uid).end()
        for uid, pod in found.items():
            starts = pod["status"].get("podIP") and pod["status"].get("phase") == "Pending"
            if starts and uid not in self._runs and "deletionTimestamp" not in pod["metadata"]:
                self._runs[uid] = BarePod(pod, self._api, self._network.environment(pod))

    def stop(self) -> None:
        """End all pods."""
        for each in self._runs.values():
            each.end()
        self._runs.clear()


def is_bare(pod: Thing) -> bool:
    """Return whether a pod is one of inference without an owner; `stages/pod.yaml` has the same condition."""
    owned = bool(pod["metadata"].get("ownerReferences"))
    return not owned and pod["spec"].get("restartPolicy") == "Never" and pod_processes.fetching(pod) is not None


class BarePod:
    """A running pod, from its first init container until `end`.

    Args:
        pod: The pod.
        api: Client of the cluster's API server.
        environment: Additional environment variables of its containers.
    """

    def __init__(self, pod: Thing, api: Api, environment: Mapping[str, str]) -> None:
        self._pod, self._api, self._environment = pod, api, environment
        self._states: dict[str, Thing] = {}
        self._unready: set[str] = set()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._processes: list[Process] = []
        self._server = ModelServer()
        self._thread = threading.Thread(target=self._run, name=pod_processes.subject_of(pod), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End its processes and delete its files."""
        with self._lock:
            self._ended.set()
            for each in self._processes:
                each.kill()
        self._server.kill()
        self._thread.join()

    def _run(self) -> None:
        front: Proxy | None = None
        try:
            if self._initialize():
                front = self._serve()
                self._ended.wait()
        except Exception as error:  # noqa: BLE001 - the pod stays as it is, like one that a kubelet cannot start
            if not self._ended.is_set():
                sys.stderr.write(f"{pod_processes.subject_of(self._pod)}: {type(error).__name__}: {error}\n")
        finally:
            Served(self._server, front).end()

    def _initialize(self) -> bool:
        """Run the init containers in order, and return whether all succeeded."""
        for container in self._pod["spec"]["initContainers"]:
            self._report({container["name"]: pod_statuses.running(_now())})
            if pod_statuses.is_sidecar(container):
                continue
            runs = pod_processes.is_python(container)
            outcome = self._wait(self._start(container)) if runs else Outcome(0, "", "")
            self._finish(container, outcome)
            if outcome.exit_code:
                return False
        return True

    def _serve(self) -> Proxy | None:
        """Start the model server and the proxy, run the Python containers, and return the proxy."""
        containers, server = self._pod["spec"]["containers"], proxy.server_of(self._pod)
        self._unready = {server["name"]} if server else set()
        self._report({each["name"]: pod_statuses.running(_now()) for each in containers})
        front = self._load(server) if server else None
        ports = {proxy.server_port(server): self._server.port or NO_PORT} if server else {}
        started = [
            (each, self._start(moved(each, ports)))
            for each in containers
            if each is not server and pod_processes.is_python(each)
        ]
        for container, process in started:
            self._finish(container, self._wait(process))
        return front

    def _load(self, server: Thing) -> Proxy | None:
        """Load the models that the init container fetched, and start the proxy."""
        fetcher, front = pod_processes.fetching(self._pod), None
        try:
            if problem := lacking():
                raise Failed(Problem("the sandbox's model server", problem, "run the sandbox with another Python"))
            if fetcher:
                self._server.load(pod_processes.models_folder(fetcher, self._root))
            front = proxy.find(self._pod, self._api.config_map, self._server.port)
        except Failed as error:
            self._finish(server, Outcome(1, "", pod_processes.log_end(str(error))))
        else:
            self._unready.clear()
            self._report({})
        return front

    @property
    def _root(self) -> Path:
        return Path(self._server.folder.name)

    def _start(self, container: Thing) -> Process | Outcome:
        """Start a container; return its process, or the outcome of one that cannot be started."""
        if self._ended.is_set():
            raise InterruptedError("the pod was deleted")
        try:
            process = Process(self._pod, container, self._api.config_map, self._root, self._environment)
        except Failed as error:
            return Outcome(START_ERROR, "", str(error))
        with self._lock:
            self._processes.append(process)
            if self._ended.is_set():
                process.kill()
        return process

    @staticmethod
    def _wait(process: Process | Outcome) -> Outcome:
        return process.wait() if isinstance(process, Process) else process

    def _finish(self, container: Thing, outcome: Outcome) -> None:
        name = container["name"]
        self._report({name: pod_statuses.terminated(self._states.get(name, {}), outcome, _now())})

    def _report(self, states: Mapping[str, Thing]) -> None:
        """Write the pod's status with new states of containers; retry while the API server does not answer."""
        self._states.update(states)
        while not self._ended.is_set():
            status = pod_statuses.status(self._pod, self._states, self._unready, _now())
            try:
                self._pod = self._api.patch(f"{pod_path(self._pod['metadata'])}/status", {"status": status}, STRATEGIC)
                return
            except RefusedError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    return
                raise
            except HTTPError:
                self._ended.wait(RETRY_SECONDS)


def moved(container: Thing, ports: Mapping[int, int]) -> Thing:
    """Return a container with an environment that names ports of this machine instead of the pod's loopback ports."""
    variables = []
    for each in container.get("env", ()):
        value = each.get("value")
        for port, here in ports.items():
            value = value and re.sub(rf"\b{port}\b", str(here), value)
        variables.append(each if value is None else {**each, "value": value})
    return {**container, "env": variables}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
