"""Objects that the tests deploy, and somebody who works on the cluster besides Pulumi."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, status_pb2

from sandbox.kubernetes.cluster import Cluster
from sandbox.plugin import from_struct

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
CRD = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB = "kubernetes:batch/v1:Job"
NAMESPACE = "kubernetes:core/v1:Namespace"
QUOTA = "kubernetes:core/v1:ResourceQuota"
RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"
SERVICE = "kubernetes:core/v1:Service"
WIDGET = "kubernetes:example.com/v1:Widget"


class By(StrEnum):
    """Field managers of others."""

    SOMEBODY = "somebody"
    EDIT = "kubectl-edit"


@dataclass(frozen=True)
class Hand:
    """Reads and changes objects without Pulumi."""

    cluster: Cluster

    def find(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        served = self.cluster.served(api_version, kind)
        assert served, f"{api_version} {kind} is not served"
        return self.cluster.get(served, namespace, name)

    def read(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        found = self.find(api_version, kind, namespace, name)
        assert found, f"{kind} {namespace}/{name} is not there"
        return found

    def put(self, body: dict[str, Any], manager: By) -> dict[str, Any]:
        """Apply, taking over what others hold."""
        served = self.cluster.served(body["apiVersion"], body["kind"])
        assert served
        return self.cluster.apply(served, body, manager, force=True)

    def patch(self, live: Mapping[str, Any], change: Mapping[str, Any], manager: By = By.EDIT) -> None:
        """Change an object as `kubectl edit` does: no apply, and whoever held a field loses it."""
        meta = live["metadata"]
        served = self.cluster.served(live["apiVersion"], live["kind"])
        assert served
        path = served.path(meta.get("namespace", ""), meta["name"])
        content = "application/merge-patch+json"
        self.cluster.request("PATCH", path, change, content, fieldManager=manager)

    def delete(self, live: Mapping[str, Any]) -> None:
        meta = live["metadata"]
        served = self.cluster.served(live["apiVersion"], live["kind"])
        assert served
        self.cluster.request("DELETE", served.path(meta.get("namespace", ""), meta["name"]))

    def node(self, name: str) -> None:
        """A node whose kubelet is played, with a label of its own and room for a hundred pods."""
        capacity = {"cpu": "8", "memory": "32Gi", "pods": "110"}
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"for": name, "kwok.x-k8s.io/node": "fake"}},
            "status": {"capacity": capacity, "allocatable": capacity},
        }
        self.cluster.request("POST", "/api/v1/nodes", body)


def error_of(attempt: Callable[[], Any]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        attempt()
    return caught.value


def partly_done(error: grpc.RpcError) -> Any:
    """The state that the engine keeps of what was made and is not ready."""
    packed = dict(error.trailing_metadata())["grpc-status-details-bin"]
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(packed).details[0].Unpack(detail)
    return detail.id, from_struct(detail.properties)


def deployment(namespace: str, name: str, *, replicas: int | None = 1, **changes: Any) -> dict[str, Any]:
    """A Deployment's inputs. `annotations` go to it; `pod` and `container` add to the pod's spec and its container."""
    container = {"name": "main", "image": "example.com/main:1", **changes.get("container", {})}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [container], **changes.get("pod", {})},
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    annotations = changes.get("annotations", {})
    meta = {"name": name, "namespace": namespace, **({"annotations": annotations} if annotations else {})}
    return {"metadata": meta, "spec": spec}


def config_map(namespace: str, name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}
