"""Kubernetes control planes of EKS clusters, from CreateCluster to DeleteCluster.

The control planes of a region are paused while the region is unreachable, and resume unchanged. The kubeconfig has a
context for each region with a cluster, including unreachable regions.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr.clusters.kubeconfig import kubeconfig
from sandbox import timings
from sandbox.aws import clock
from sandbox.aws.answer import Answer, ConnectionCutError
from sandbox.aws.authority import Authority
from sandbox.aws.extensions.eks import clusters
from sandbox.aws.faults import Faults
from sandbox.aws.world import Clients, Operator
from sandbox.clusters import addon_definitions, tokens
from sandbox.clusters.mlserver import lacking
from sandbox.control_plane.control_plane import ControlPlane
from sandbox.toolchain.kubernetes_binaries import Binaries

if TYPE_CHECKING:
    from sandbox.clusters.traffic import Traffic


class Clusters:
    """Clusters of the emulated AWS. Implements `sandbox.aws.world.Kubernetes`.

    Args:
        endpoint: URL of the emulator.
        client: Creates boto3 clients for the emulator.
        faults: Injected faults.
        authority: Signs the certificates of hosts that pods call.
        binaries: Programs of a control plane; None for EKS clusters without an API server.
        folder: Folder of `kubeconfig` and of `kubernetes`, which is emptied first and has a folder for each cluster.
    """

    def __init__(
        self,
        endpoint: str,
        client: Clients,
        faults: Faults,
        authority: Authority,
        binaries: Binaries | None,
        folder: Path,
    ) -> None:
        self._endpoint, self._client, self._faults, self._binaries = endpoint, client, faults, binaries
        self._authority = authority
        self._folder, self._kubeconfig = folder / "kubernetes", folder / "kubeconfig"
        self.on, self.speed = binaries is not None, timings.speed()
        self.targets_follow = False
        self._lock = threading.Lock()
        self._planes: dict[tuple[str, str], ControlPlane] = {}
        self._traffic: dict[tuple[str, str], Traffic] = {}
        self._predicts = False
        shutil.rmtree(self._folder, ignore_errors=True)  # left by a killed emulator
        self._write_kubeconfig()

    @property
    def target_speed(self) -> float:
        """Speed of the load balancers' health checks: the usual one, or that of the clock while they follow it."""
        return clock.speed() if self.targets_follow else self.speed

    def of(self, region: str) -> dict[str, ControlPlane]:
        """Return the control planes of a region, by cluster name."""
        with self._lock:
            return {name: plane for (where, name), plane in self._planes.items() if where == region}

    def traffic_of(self, region: str) -> list[Traffic]:
        """Return the control loops of a region's clusters."""
        return [traffic for (where, _), traffic in list(self._traffic.items()) if where == region]

    def running(self) -> list[tuple[str, str, ControlPlane]]:
        """Return region, cluster name and control plane of each running cluster."""
        with self._lock:
            return [(*place, plane) for place, plane in self._planes.items() if plane.running]

    def listed(self) -> list[dict[str, Any]]:
        """Return all control planes as data for the control API."""
        with self._lock:
            planes = list(self._planes.items())
        return [
            {"region": region, "name": name, "endpoint": plane.endpoint, "running": plane.running}
            for (region, name), plane in planes
        ]

    def start(self, region: str, name: str) -> ControlPlane | None:
        """Start a cluster's control plane and wait until it is ready.

        Returns:
            The control plane; None without `binaries`.

        Raises:
            Failed: The control plane did not become ready.
        """
        if self._binaries is None:
            return None
        webhook = f"{self._endpoint}/_sandbox/clusters/{region}/{name}/tokens"
        plane = ControlPlane(region, self._folder / region / name, self._binaries, webhook, self.speed)
        try:
            plane.start()
        except BaseException:
            plane.stop()
            raise
        with self._lock:
            self._planes[region, name] = plane
        self._write_kubeconfig()
        # Importing the Kubernetes client takes a second, so it is imported with the first cluster.
        from sandbox.clusters.traffic import Traffic

        self._traffic[region, name] = Traffic(
            plane,
            name,
            self._endpoint,
            self._client,
            self._faults,
            self._authority,
            self.speed,
            lambda: self._predicts,
        )
        return plane

    def end(self, region: str, name: str) -> None:
        """Stop a cluster's control plane, if it has one, and delete its data."""
        with self._lock:
            plane = self._planes.pop((region, name), None)
        if plane:
            self._write_kubeconfig()
            if traffic := self._traffic.pop((region, name), None):
                traffic.stop()
            plane.stop()
            shutil.rmtree(self._folder / region / name, ignore_errors=True)

    def forget(self) -> None:
        """Stop and delete all control planes."""
        with self._lock:
            places = list(self._planes)
        _together(lambda place: self.end(*place), places)
        self._predicts = self.targets_follow = False

    def stop(self) -> None:
        """Stop all control planes and delete all files."""
        self.forget()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._kubeconfig.unlink(missing_ok=True)

    def faults_changed(self) -> None:
        """Pause the control planes of unreachable regions, resume the others, and wait until this is done.

        Raises:
            Failed: A control plane did not resume.
        """
        with self._lock:
            planes = list(self._planes.values())
        _together(self._follow, planes)
        self._wake()

    def access_changed(self, operator: Operator) -> None:
        """Admit or refuse callers of API servers, as EKS does by its endpoint settings.

        Args:
            operator: Where calls come from.
        """
        for region, name, plane in self.running():
            if cluster := clusters(region).get(name):
                plane.admit(admitted(cluster.about["resourcesVpcConfig"], operator))

    def install_addon(self, region: str, name: str, addon: str) -> None:
        """Install the custom resource definitions of an EKS add-on in a cluster."""
        if plane := self.of(region).get(name):
            addon_definitions.install(plane, addon)

    def review_token(self, region: str, name: str, body: bytes) -> dict[str, Any]:
        """Return the response to a TokenReview of a cluster's API server. Raises as `tokens.answer_review`."""
        return tokens.answer_review(self._faults, region, name, body)

    def answers(self, region: str, address: str, path: str) -> bool:
        """Return whether a pod with this address in a cluster of the region answers a health check with 200."""
        traffic = self._behind(region, address)
        return traffic is not None and traffic.healthy(address, path)

    def ask(self, region: str, address: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the response of the pod with this address. Raises `ConnectionCutError` if it does not answer."""
        traffic = self._behind(region, address)
        if traffic is None:
            raise ConnectionCutError(f"{address} in {region} does not answer")
        if not traffic.serving.running and traffic.healthy(address, path.partition("?")[0]):
            return Answer.of_text("")
        if problem := lacking():
            return Answer.of_text(f"the sandbox cannot answer: {problem}\n", HTTPStatus.NOT_IMPLEMENTED)
        self._predicts = True
        self._wake()
        return traffic.serving.ask(method, path, headers, body)

    def admits(self, pod: str, address: str, port: int) -> bool:
        """Return whether a pod's egress policies admit a connection to a TCP port; not for an unknown UID.

        Raises:
            ConnectionCutError: The API server of its cluster does not answer.
        """
        networks = [traffic.network for traffic in list(self._traffic.values()) if traffic.network.knows(pod)]
        return any(network.admits(pod, address, port) for network in networks)

    def _wake(self) -> None:
        for traffic in list(self._traffic.values()):
            traffic.wake()

    def _behind(self, region: str, address: str) -> Traffic | None:
        return next((traffic for traffic in self.traffic_of(region) if traffic.answers(address)), None)

    def _write_kubeconfig(self) -> None:
        with self._lock:
            merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
            for (region, name), plane in sorted(self._planes.items(), key=lambda each: each[0]):
                one = kubeconfig(name, region, plane.endpoint, plane.ca_data)
                for part in ("clusters", "users", "contexts"):
                    merged[part] += one[part]
                merged.setdefault("current-context", one["current-context"])
            draft = self._kubeconfig.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(merged, indent=2))
            draft.replace(self._kubeconfig)

    def _follow(self, plane: ControlPlane) -> None:
        if self._faults.unreachable(plane.region):
            plane.pause()
        else:
            plane.resume()


def admitted(network: Mapping[str, Any], operator: Operator) -> bool:
    """Return whether an API server answers a caller (EKS user guide, "Cluster API server endpoint").

    Args:
        network: `resourcesVpcConfig` of the cluster.
        operator: Where the call comes from.
    """
    if operator.inside and network["endpointPrivateAccess"]:
        return True
    address = ip_address(operator.address)
    return network["endpointPublicAccess"] and any(address in ip_network(each) for each in network["publicAccessCidrs"])


def _together(act: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(act, items))
