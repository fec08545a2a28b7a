"""Control loop of one cluster: nodes, scaling, image pulls, evictions, targets, the model server, bare pods
and Velero.

Each cluster has one thread. It runs all steps after a change in the cluster, otherwise a few times a second. It pauses
while the region is unreachable.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable

from sandbox.aws.authority import Authority
from sandbox.aws.faults import Faults
from sandbox.aws.world import Clients
from sandbox.clusters.api import Api, Thing, Watched
from sandbox.clusters.autoscaler import Autoscaler
from sandbox.clusters.bare_pods import BarePods
from sandbox.clusters.demand import AUTOSCALERS, Demand
from sandbox.clusters.evictions import Evictions
from sandbox.clusters.image_pulls import ImagePulls
from sandbox.clusters.nodes import NODES, Nodes
from sandbox.clusters.pod_network import PodNetwork
from sandbox.clusters.scaling import Scaling
from sandbox.clusters.serving import Serving
from sandbox.clusters.targets import BINDINGS, SERVICES, SLICES, Targets
from sandbox.clusters.velero import Velero
from sandbox.control_plane.control_plane import ControlPlane

LONGEST_SECONDS, SHORTEST_SECONDS = 0.2, 0.02
"""Maximum and minimum time in seconds between two runs of all steps."""


class Traffic:
    """Control loop of one cluster.

    Args:
        plane: Running control plane of the cluster.
        name: Name of the cluster.
        endpoint: URL of the emulator.
        client: Creates boto3 clients for the emulator.
        faults: Injected faults.
        authority: Signs the certificates of hosts that pods call.
        speed: Modelled seconds per real second.
        wanted: Returns whether a prediction was requested since the start; only then does a model server start.
    """

    def __init__(
        self,
        plane: ControlPlane,
        name: str,
        endpoint: str,
        client: Clients,
        faults: Faults,
        authority: Authority,
        speed: float,
        wanted: Callable[[], bool],
    ) -> None:
        self.region, self._faults, self._wanted = plane.region, faults, wanted
        self._wake, self._ended = threading.Event(), threading.Event()
        api = Api(plane.api())
        paths = (NODES, "/api/v1/pods", SERVICES, SLICES, BINDINGS, AUTOSCALERS)
        self._watched = {path: Watched(api, path, self._wake.set) for path in paths}
        nodes, self._pods, services, slices, bindings, autoscalers = self._watched.values()
        self._nodes = nodes
        scaling = Scaling(faults, self.region, name, speed)
        self._targets = Targets(client, self.region, bindings, services, slices)
        self.network = PodNetwork(endpoint, self.region, authority, api)
        self.serving = Serving(self.region, api, self.network)
        self._bare = BarePods(api, self._pods, self.network)
        self._velero = Velero(api, client, self.region, self._wake.set)
        joining = Nodes(api, scaling, nodes, self._pods, self.region, speed)
        evictions = Evictions(api, nodes, self._pods, speed)
        pulls = ImagePulls(api, self._pods, client, faults, speed)
        autoscaler = Autoscaler(scaling, nodes, self._pods, speed)
        self._steps: tuple[Callable[[], None], ...] = (
            *(scaling.step, joining.step, pulls.step, evictions.step, self._targets.step, autoscaler.step),
            *(Demand(api, autoscalers, speed).step, self._bare.step, self._velero.step, self._serve),
        )
        self._thread = threading.Thread(target=self._run, name=f"cluster {name} in {self.region}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the threads, the model server and the bare pods."""
        self._ended.set()
        self._wake.set()
        for each in self._watched.values():
            each.stop()
        self._velero.stop()
        self._thread.join()
        self._bare.stop()
        self.serving.stop()

    def wake(self) -> None:
        """Run all steps without waiting for a change."""
        self._wake.set()

    def pod_at(self, address: str) -> Thing | None:
        """Return the running pod with an IP address; None if there is none."""
        for pod in self._pods.all():
            status = pod["status"]
            if status.get("podIP") == address and status.get("phase") == "Running":
                return pod
        return None

    def answers(self, address: str) -> bool:
        """Return whether the pod with an IP address answers: its containers are ready and its zone is up.

        The zone counts at once, before Kubernetes detects dead nodes.
        """
        pod = self.pod_at(address)
        if pod is None or not all(each["ready"] for each in pod["status"].get("containerStatuses", ())):
            return False
        nodes = {each["metadata"]["name"]: each["metadata"]["labels"] for each in self._nodes.all()}
        zone = nodes.get(pod["spec"]["nodeName"], {}).get("topology.kubernetes.io/zone")
        return zone is not None and not self._faults.zone_down(zone)

    def healthy(self, address: str, path: str) -> bool:
        """Return whether the pod with an IP address answers a health check with 200.

        Until the model server runs, a pod that answers is healthy at the paths of its own probes.
        """
        if self.serving.running:
            return self.serving.answers(path)
        pod = self.pod_at(address)
        return pod is not None and path in _probed(pod)

    def _serve(self) -> None:
        """Pass the pods behind the load balancer to the model server, if a prediction was requested."""
        if not self._wanted():
            return
        names = {
            (each["targetRef"].get("namespace"), each["targetRef"]["name"])
            for each in self._targets.endpoints()
            if each.get("targetRef", {}).get("kind") == "Pod"
        }
        about = ((pod["metadata"]["namespace"], pod["metadata"]["name"], pod) for pod in self._pods.all())
        self.serving.step([pod for namespace, name, pod in about if (namespace, name) in names])

    def _run(self) -> None:
        reported = ""
        while not self._ended.is_set():
            self._wake.wait(LONGEST_SECONDS)
            self._wake.clear()
            for step in self._steps:
                if self._ended.is_set() or self._faults.unreachable(self.region):
                    break
                try:
                    step()
                except Exception as error:  # noqa: BLE001 - the next run may succeed; each error is printed once
                    if reported != (reported := f"{step.__qualname__}: {type(error).__name__}: {error}"):
                        sys.stderr.write(f"{self.region}: {reported}\n{traceback.format_exc()}")
            self._ended.wait(SHORTEST_SECONDS)


def _probed(pod: Thing) -> set[str]:
    """Return the paths of a pod's HTTP probes."""
    probes = [value for each in pod["spec"]["containers"] for key, value in each.items() if key.endswith("Probe")]
    return {probe["httpGet"]["path"] for probe in probes if "httpGet" in probe}
