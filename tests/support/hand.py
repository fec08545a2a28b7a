"""Somebody who works on a cluster besides Pulumi."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.clusters.api import MERGE, Api


class By(StrEnum):
    """Field managers of others."""

    SOMEBODY = "somebody"
    EDIT = "kubectl-edit"


@dataclass(frozen=True)
class Hand:
    """Reads and changes objects without Pulumi."""

    api: Api

    def find(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        return self.api.find(api_version, kind, namespace, name)

    def read(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        found = self.find(api_version, kind, namespace, name)
        assert found, f"{kind} {namespace}/{name} is not there"
        return found

    def create(self, body: Mapping[str, Any], manager: By = By.SOMEBODY) -> dict[str, Any]:
        path = self.api.path(body["apiVersion"], body["kind"], body["metadata"].get("namespace", ""))
        assert path
        return self.api.call("POST", f"{path}?fieldManager={manager}", dict(body))

    def patch(self, live: Mapping[str, Any], change: Mapping[str, Any], manager: By = By.EDIT) -> None:
        """Change an object as `kubectl edit` does: no apply, and whoever held a field loses it."""
        meta = live["metadata"]
        path = self.api.path(live["apiVersion"], live["kind"], meta.get("namespace", ""), meta["name"])
        assert path
        self.api.call("PATCH", f"{path}?fieldManager={manager}", dict(change), MERGE)

    def node(self, name: str) -> None:
        """A node whose kubelet is played, with a label of its own and room for a hundred pods."""
        capacity = {"cpu": "8", "memory": "32Gi", "pods": "110"}
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"for": name, "kwok.x-k8s.io/node": "fake"}},
            "status": {"capacity": capacity, "allocatable": capacity},
        }
        self.api.call("POST", "/api/v1/nodes", body)
