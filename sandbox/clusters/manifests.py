"""Kubernetes objects of the stacks in a region, read from the API server, without its server-side fields."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sandbox.clusters.api import Api, Thing

FIRST = ("Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "Release", "ServiceAccount")
"""Kinds that other objects depend on, in the order for `kubectl apply`; other kinds follow by name."""
SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""Fields of `metadata` that only the API server sets."""
RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True)
class Owned:
    """An object in a stack's state.

    Args:
        type: Pulumi type token.
        id: ID of the resource: namespace and name.
        kubeconfig: Kubeconfig of the resource's provider.
    """

    type: str
    id: str
    kubeconfig: str


def owned(resources: Iterable[Mapping[str, Any]], region: str) -> list[Owned]:
    """Return the Kubernetes objects of a state in a region; the current context of their kubeconfig is the region.

    Args:
        resources: Resources of a stack's state.
        region: The region.
    """
    kept = list(resources)
    kubeconfigs = {
        f"{each['urn']}::{each['id']}": str(each["inputs"].get("kubeconfig", ""))
        for each in kept
        if each["type"] == "pulumi:providers:kubernetes"
    }
    here = {provider: text for provider, text in kubeconfigs.items() if _context(text) == region}
    return [
        Owned(each["type"], each["id"], here[each["provider"]])
        for each in kept
        if each["type"].startswith("kubernetes:") and each.get("provider") in here and each.get("custom")
    ]


def _context(kubeconfig: str) -> str:
    import yaml

    content = yaml.safe_load(kubeconfig)
    return str(content.get("current-context", "")) if isinstance(content, dict) else ""


def read(wanted: list[Owned]) -> tuple[list[Thing], list[Owned]]:
    """Read objects from their API servers.

    Returns:
        The objects in the order for `kubectl apply`, and those that do not exist.

    Raises:
        RefusedError: An API server answers with an error.
        urllib3.exceptions.HTTPError: An API server does not answer.
    """
    apis = {text: Api.of_kubeconfig(text) for text in {each.kubeconfig for each in wanted}}
    with ThreadPoolExecutor(max_workers=16) as pool:
        found = list(pool.map(lambda each: _read(apis[each.kubeconfig], each), wanted))
    missing = [each for each, live in zip(wanted, found, strict=True) if live is None]
    return sorted((live for live in found if live is not None), key=_rank), missing


def _read(api: Api, each: Owned) -> Thing | None:
    namespace, _, name = each.id.rpartition("/")
    if each.type == RELEASE:
        return _release(api, namespace, name)
    live = api.find(*_version_and_kind(each.type), namespace, name)
    return shown(live) if live else None


def _version_and_kind(token: str) -> tuple[str, str]:
    """Return `("apps/v1", "Deployment")` for `kubernetes:apps/v1:Deployment`; API versions omit the group `core`."""
    _, version, kind = token.split(":")
    return version.removeprefix("core/"), kind


def _release(api: Api, namespace: str, name: str) -> Thing | None:
    """Return a Helm release, read from its newest Secret (helm/helm, pkg/storage/driver/secrets.go)."""
    query = f"?labelSelector=owner%3Dhelm,name%3D{name},status%3Ddeployed"
    kept = api.call("GET", f"/api/v1/namespaces/{namespace}/secrets{query}")["items"]
    if not kept:
        return None
    newest = max(kept, key=lambda secret: int(secret["metadata"]["labels"]["version"]))
    packed = base64.b64decode(base64.b64decode(newest["data"]["release"]))
    release = json.loads(gzip.decompress(packed))
    chart = release["chart"]["metadata"]
    spec = {"chart": chart["name"], "version": chart["version"], "values": release.get("config")}
    return {
        "apiVersion": "helm.sh/v3",
        "kind": "Release",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {part: value for part, value in spec.items() if value},
    }


def shown(live: Thing) -> Thing:
    """Return an object without status and server-side fields; a Secret has the size of each value only."""
    meta = {name: copy.deepcopy(value) for name, value in live["metadata"].items() if name not in SERVER_FIELDS}
    meta.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    if not meta.get("annotations"):
        meta.pop("annotations", None)
    result = {name: value for name, value in live.items() if name != "status"} | {"metadata": meta}
    if live["kind"] == "Secret":
        result["data"] = {name: f"({len(value)} characters)" for name, value in (live.get("data") or {}).items()}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], **result}


def _rank(live: Mapping[str, Any]) -> tuple[int, str, str, str]:
    kind, meta = live["kind"], live["metadata"]
    return FIRST.index(kind) if kind in FIRST else len(FIRST), kind, meta.get("namespace", ""), meta["name"]
