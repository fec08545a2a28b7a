"""Changes to a cluster by an operator, outside Pulumi."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.clusters.api import MERGE, Api


class Manager(StrEnum):
    """Field managers other than Pulumi."""

    OTHER = "other-manager"
    EDIT = "kubectl-edit"


@dataclass(frozen=True)
class Hand:
    """Reads and changes objects without Pulumi."""

    api: Api

    def find(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        return self.api.find(api_version, kind, namespace, name)

    def read(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        live = self.find(api_version, kind, namespace, name)
        assert live, f"{kind} {namespace}/{name} does not exist"
        return live

    def create(self, body: Mapping[str, Any], manager: Manager = Manager.OTHER) -> dict[str, Any]:
        path = self.api.path(body["apiVersion"], body["kind"], body["metadata"].get("namespace", ""))
        assert path
        return self.api.call("POST", f"{path}?fieldManager={manager}", dict(body))

    def patch(self, live: Mapping[str, Any], change: Mapping[str, Any], manager: Manager = Manager.EDIT) -> None:
        """Change an object as `kubectl edit` does: by a merge patch, which takes over fields of other managers."""
        meta = live["metadata"]
        path = self.api.path(live["apiVersion"], live["kind"], meta.get("namespace", ""), meta["name"])
        assert path
        self.api.call("PATCH", f"{path}?fieldManager={manager}", dict(change), MERGE)

    def node(self, name: str) -> None:
        """Create a simulated node with its own label and capacity for 110 pods."""
        capacity = {"cpu": "8", "memory": "32Gi", "pods": "110"}
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"for": name, "kwok.x-k8s.io/node": "fake"}},
            "status": {"capacity": capacity, "allocatable": capacity},
        }
        self.api.call("POST", "/api/v1/nodes", body)
