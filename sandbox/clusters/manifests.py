"""Kubernetes objects that the stacks own in a region, read from the API server, without fields that only it writes."""

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
"""Kinds that others need, in the order of `kubectl apply`; the rest follows by name."""
SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""Fields of `metadata` that only the server writes."""
RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True)
class Owned:
    """An object in a stack's state.

    Args:
        type: Pulumi type.
        id: Namespace and name.
        kubeconfig: Kubeconfig of its provider.
    """

    type: str
    id: str
    kubeconfig: str


def owned(resources: Iterable[Mapping[str, Any]], region: str) -> list[Owned]:
    """The Kubernetes objects of a state that belong to a region, by the current context of their kubeconfig."""
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
    """Read objects.

    Returns:
        The objects in order, and those that the API server does not have.

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
    """`("apps/v1", "Deployment")` of `kubernetes:apps/v1:Deployment`; an API version leaves the group `core` out."""
    _, version, kind = token.split(":")
    return version.removeprefix("core/"), kind


def _release(api: Api, namespace: str, name: str) -> Thing | None:
    """A Helm release, read from its newest Secret (helm/helm, pkg/storage/driver/secrets.go)."""
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
    """An object for display; a Secret with the size of each value instead of the value."""
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
