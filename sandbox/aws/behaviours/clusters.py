"""The Kubernetes behind EKS: a control plane for each cluster, from CreateCluster to DeleteCluster.

A region that cannot be reached takes its control planes along: they stop, and are there again as they were when it is.
A kubeconfig has a context for each region with a cluster, whether it is reached or not.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr.clusters.kubeconfig import kubeconfig
from sandbox import timings
from sandbox.control_plane.control_plane import ControlPlane
from sandbox.toolchain.kubernetes_binaries import Binaries

if TYPE_CHECKING:
    from sandbox.aws.emulator import Emulator


class Clusters:
    """The control planes of an emulator.

    Args:
        emulator: Whose they are.
        binaries: What they run; None for an EKS without Kubernetes.
        folder: Where `kubernetes` gets a folder for each, emptied first, and `kubeconfig` is written.
    """

    def __init__(self, emulator: Emulator, binaries: Binaries | None, folder: Path) -> None:
        self._emulator, self._binaries = emulator, binaries
        self._folder, self._kubeconfig = folder / "kubernetes", folder / "kubeconfig"
        self._lock = threading.Lock()
        self._planes: dict[tuple[str, str], ControlPlane] = {}
        shutil.rmtree(self._folder, ignore_errors=True)  # of an emulator that was killed
        self._write_kubeconfig()

    def of(self, region: str) -> dict[str, ControlPlane]:
        """Control planes of a region, by cluster name."""
        with self._lock:
            return {name: plane for (where, name), plane in self._planes.items() if where == region}

    def running(self) -> list[tuple[str, str, ControlPlane]]:
        """Region, cluster name and control plane of those that answer now."""
        with self._lock:
            return [(*place, plane) for place, plane in self._planes.items() if plane.running]

    def listed(self) -> list[dict[str, Any]]:
        """All of them, for the control API."""
        with self._lock:
            planes = list(self._planes.items())
        return [
            {"region": region, "name": name, "endpoint": plane.endpoint, "running": plane.running}
            for (region, name), plane in planes
        ]

    def start(self, region: str, name: str) -> ControlPlane | None:
        """Start a cluster's control plane, and return once it is ready; None without Kubernetes. Raises Failed."""
        if self._binaries is None:
            return None
        webhook = f"{self._emulator.endpoint}/_sandbox/clusters/{region}/{name}/tokens"
        plane = ControlPlane(region, self._folder / region / name, self._binaries, webhook, timings.speed())
        try:
            plane.start()
        except BaseException:
            plane.stop()
            raise
        with self._lock:
            self._planes[region, name] = plane
        self._write_kubeconfig()
        self._emulator.traffic.begin(region, name, plane)
        return plane

    def end(self, region: str, name: str) -> None:
        """Stop a cluster's control plane and remove what it kept, where there is one."""
        with self._lock:
            plane = self._planes.pop((region, name), None)
        if plane:
            self._write_kubeconfig()
            self._emulator.traffic.end(region, name)
            plane.stop()
            shutil.rmtree(self._folder / region / name, ignore_errors=True)

    def forget(self) -> None:
        """End all."""
        with self._lock:
            places = list(self._planes)
        _together(lambda place: self.end(*place), places)

    def stop(self) -> None:
        """End all, and leave nothing."""
        self.forget()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._kubeconfig.unlink(missing_ok=True)

    def faults_changed(self) -> None:
        """Pause those whose region is lost, resume those whose region is back; return once it is so. Raises Failed."""
        with self._lock:
            planes = list(self._planes.values())
        _together(self._follow, planes)

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
        if self._emulator.faults.unreachable(plane.region):
            plane.pause()
        else:
            plane.resume()


def _together(act: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(act, items))
