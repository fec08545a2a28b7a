"""What goes on between AWS and the Kubernetes of each region while a cluster runs: nodes, targets, requests.

One thread a cluster, woken by changes in the cluster and a few times a second. In a region that cannot be reached
nothing happens.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

from sandbox import timings
from sandbox.aws.call import Answer
from sandbox.aws.faults import ConnectionCutError

if TYPE_CHECKING:
    from sandbox.aws.emulator import Emulator
    from sandbox.clusters.api import Thing
    from sandbox.control_plane.control_plane import ControlPlane

LOOK_SECONDS, PAUSE_SECONDS = 0.2, 0.02
"""Between two looks where nothing changes, and at least."""


class Cluster:
    """What goes on around one cluster.

    Args:
        emulator: Whose.
        region: Its region.
        name: Its name.
        plane: Its control plane, which answers.
        speed: How many modelled seconds pass in one.
    """

    def __init__(self, emulator: Emulator, region: str, name: str, plane: ControlPlane, speed: float) -> None:
        # What needs the Kubernetes client is imported with the first cluster: it takes a second.
        from sandbox.aws.behaviours.scaling import Scaling
        from sandbox.clusters.api import Api, Watched
        from sandbox.clusters.autoscaler import Autoscaler
        from sandbox.clusters.demand import AUTOSCALERS, Demand
        from sandbox.clusters.evictions import Evictions
        from sandbox.clusters.nodes import NODES, Nodes
        from sandbox.clusters.serving import Serving
        from sandbox.clusters.targets import BINDINGS, SERVICES, SLICES, Targets

        self._emulator, self.region = emulator, region
        self._wake, self._ended = threading.Event(), threading.Event()
        api = Api(plane.api())
        paths = (NODES, "/api/v1/pods", SERVICES, SLICES, BINDINGS, AUTOSCALERS)
        self._watched = {path: Watched(api, path, self._wake.set) for path in paths}
        nodes, self._pods, services, slices, bindings, autoscalers = self._watched.values()
        self._nodes = nodes
        scaling = Scaling(emulator, region, name, speed)
        self._targets = Targets(emulator, region, bindings, services, slices)
        self.serving = Serving(emulator, region, api)
        joining = Nodes(api, scaling, nodes, self._pods, region, speed)
        evictions = Evictions(api, nodes, self._pods, speed)
        autoscaler = Autoscaler(scaling, nodes, self._pods, speed)
        self._steps: tuple[Callable[[], None], ...] = (
            *(scaling.step, joining.step, evictions.step, self._targets.step, autoscaler.step),
            *(Demand(api, autoscalers, speed).step, self._serve),
        )
        self._thread = threading.Thread(target=self._run, name=f"cluster {name} in {region}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End its threads and its model server."""
        self._ended.set()
        self._wake.set()
        for each in self._watched.values():
            each.stop()
        self._thread.join()
        self.serving.stop()

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    def pod_at(self, address: str) -> Thing | None:
        """The running pod of an address."""
        for pod in self._pods.all():
            status = pod["status"]
            if status.get("podIP") == address and status.get("phase") == "Running":
                return pod
        return None

    def answers(self, address: str) -> bool:
        """Whether a pod's containers are up, on a node that lives, whatever Kubernetes thinks of it by now."""
        pod = self.pod_at(address)
        if pod is None or not all(each["ready"] for each in pod["status"].get("containerStatuses", ())):
            return False
        nodes = {each["metadata"]["name"]: each["metadata"]["labels"] for each in self._nodes.all()}
        zone = nodes.get(pod["spec"]["nodeName"], {}).get("topology.kubernetes.io/zone")
        return zone is not None and not self._emulator.faults.zone_down(zone)

    def _serve(self) -> None:
        """Keep the model server in step with the pods, once somebody asked for a prediction."""
        if not self._emulator.traffic.asked:
            return
        names = {
            (each["targetRef"].get("namespace"), each["targetRef"]["name"])
            for each in self._targets.endpoints()
            if each.get("targetRef", {}).get("kind") == "Pod"
        }
        about = ((pod["metadata"]["namespace"], pod["metadata"]["name"], pod) for pod in self._pods.all())
        self.serving.step([pod for namespace, name, pod in about if (namespace, name) in names])

    def _run(self) -> None:
        said = ""
        while not self._ended.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            for step in self._steps:
                if self._ended.is_set() or self._emulator.faults.unreachable(self.region):
                    break
                try:
                    step()
                except Exception as error:  # noqa: BLE001 - the next look may go better; it is said once
                    if said != (said := f"{step.__qualname__}: {type(error).__name__}: {error}"):
                        sys.stderr.write(f"{self.region}: {said}\n{traceback.format_exc()}")
            self._ended.wait(PAUSE_SECONDS)


class Traffic:
    """All regions' clusters.

    Args:
        emulator: Whose.
        on: Whether there is Kubernetes here at all; where not, an endpoint is well while its region is.
    """

    def __init__(self, emulator: Emulator, on: bool) -> None:
        self._emulator, self.on = emulator, on
        self._clusters: dict[tuple[str, str], Cluster] = {}
        self.speed = timings.speed()
        self.asked = False
        """Whether anybody ever asked for a prediction."""

    def begin(self, region: str, name: str, plane: ControlPlane) -> None:
        """A cluster's control plane answers now."""
        self._clusters[region, name] = Cluster(self._emulator, region, name, plane, self.speed)

    def end(self, region: str, name: str) -> None:
        """A cluster is about to be gone."""
        if cluster := self._clusters.pop((region, name), None):
            cluster.stop()

    def wake(self) -> None:
        """Faults have changed."""
        for cluster in list(self._clusters.values()):
            cluster.wake()

    def answers(self, region: str, address: str) -> bool:
        """Whether a target answers: a pod of a cluster of the region that lives."""
        return self._behind(region, address) is not None

    def ask(self, region: str, address: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What the pod of an address answers. Raises ConnectionCutError."""
        from sandbox.clusters.serving import HEALTH_PATHS, lacking

        cluster = self._behind(region, address)
        if cluster is None:
            raise ConnectionCutError(f"{address} in {region} does not answer")
        if path.partition("?")[0] in HEALTH_PATHS and not cluster.serving.running:
            return Answer.of_text("")
        if problem := lacking():
            return Answer.of_text(f"the sandbox cannot answer: {problem}\n", HTTPStatus.NOT_IMPLEMENTED)
        self.asked = True
        self.wake()
        return cluster.serving.ask(method, path, headers, body)

    def _behind(self, region: str, address: str) -> Cluster | None:
        found = [cluster for (where, _), cluster in list(self._clusters.items()) if where == region]
        return next((cluster for cluster in found if cluster.answers(address)), None)
