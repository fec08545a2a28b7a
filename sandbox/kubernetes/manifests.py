"""Every Kubernetes object that the stacks own in a region, as its API server has it and without what only it writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes import kinds
from sandbox.kubernetes.cluster import Cluster, Object
from sandbox.kubernetes.objects import identity, pruned
from sandbox.kubernetes.settings import Settings

FIRST = ("Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "Release", "ServiceAccount")
"""What others need, in the order of `kubectl apply`; the rest follows by name."""


@dataclass(frozen=True)
class Owned:
    """An object in a stack's state.

    Args:
        type: Its Pulumi type.
        id: Namespace and name.
        kubeconfig: How its provider reaches the cluster.
    """

    type: str
    id: str
    kubeconfig: str


def owned(resources: Iterable[Mapping[str, Any]], region: str) -> list[Owned]:
    """The Kubernetes objects of a state whose provider's kubeconfig has a context of the region's name."""
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


def read(wanted: list[Owned]) -> tuple[list[Object], list[Owned]]:
    """The objects, in order, and those that the state has and the API server has not.

    Raises:
        SandboxError: a cluster cannot be reached, or answers with an error.
    """
    clusters = {text: Cluster(Settings(kubeconfig=text).access()) for text in {each.kubeconfig for each in wanted}}
    with ThreadPoolExecutor(max_workers=16) as pool:
        found = list(pool.map(lambda each: _read(clusters[each.kubeconfig], each), wanted))
    missing = [each for each, live in zip(wanted, found, strict=True) if live is None]
    return sorted((live for live in found if live is not None), key=_rank), missing


def _read(cluster: Cluster, each: Owned) -> Object | None:
    from sandbox.kubernetes.releases import Releases

    if each.type == kinds.RELEASE:
        namespace, name = identity(each.id)
        installed = Releases(cluster, lambda definition: None).read(namespace, name)
        if installed is None:
            return None
        spec = {part: value for part, value in installed[0].items() if part not in ("name", "namespace")}
        meta = {"name": name, "namespace": namespace}
        return {"apiVersion": "helm.sh/v3", "kind": "Release", "metadata": meta, "spec": spec}
    gvk = kinds.of_token(each.type)
    served = cluster.served(*gvk) if gvk else None
    live = cluster.get(served, *identity(each.id)) if served else None
    return shown(live) if live else None


def shown(live: Object) -> Object:
    """An object as a person reads it; of a Secret, the size of each value."""
    result = pruned(live)
    annotations = result["metadata"].get("annotations", {})
    annotations.pop("deployment.kubernetes.io/revision", None)
    if not annotations:
        result["metadata"].pop("annotations", None)
    if live["kind"] == "Secret":
        result["data"] = {name: f"({len(value)} characters)" for name, value in (live.get("data") or {}).items()}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], **result}


def _rank(live: Mapping[str, Any]) -> tuple[int, str, str, str]:
    kind, meta = live["kind"], live["metadata"]
    return FIRST.index(kind) if kind in FIRST else len(FIRST), kind, meta.get("namespace", ""), meta["name"]
