"""The provider's settings: what is carried, what is refused by name, and which change makes it another cluster.

Names and defaults: pulumi-kubernetes, provider/pkg/provider/provider.go (CheckConfig, DiffConfig, Configure).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.plugin import UNKNOWN, SandboxError

TEXTS = {
    "kubeconfig": "kubeconfig",
    "context": "context",
    "cluster": "cluster",
    "namespace": "namespace",
    "clusterIdentifier": "cluster_identifier",
}
SWITCHES = {
    "deleteUnreachable": "delete_unreachable",
    "skipUpdateUnreachable": "skip_update_unreachable",
    "enableConfigMapMutable": "config_maps_mutable",
    "enableSecretMutable": "secrets_mutable",
    "enablePatchForce": "patch_force",
    "upsertExistingObjects": "upsert",
}
IGNORED = frozenset({"version", "pluginDownloadURL", "suppressDeprecationWarnings", "suppressHelmHookWarnings"})
"""The stand-in gives none of the warnings that are suppressed."""
LOCATION = ("kubeconfig", "context", "cluster")


@dataclass(frozen=True)
class Settings:
    """The settings of one provider."""

    kubeconfig: str = ""
    """The file's content, or its path."""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    cluster_identifier: str = ""
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False
    config_maps_mutable: bool = False
    secrets_mutable: bool = False
    patch_force: bool = False
    upsert: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """The settings as the engine hands them over: the SDK writes what is no text as JSON."""
        texts = {field: str(given.get(name) or "") for name, field in TEXTS.items()}
        return cls(**texts, **{field: _true(given.get(name)) for name, field in SWITCHES.items()})

    def access(self) -> Access:
        """Where the cluster is and who asks it.

        Raises:
            SandboxError: there is no kubeconfig, or it is none.
        """
        if not self.kubeconfig:
            raise SandboxError("there is no kubeconfig; give the provider one: it never reads a person's own")
        content = self.kubeconfig
        if "\n" not in content and not content.lstrip().startswith("{"):
            try:
                content = Path(content).expanduser().read_text()
            except OSError as error:
                raise SandboxError(f"kubeconfig: {error}; give its content, or a path that is there") from error
        try:
            config = yaml.safe_load(content)
            contexts, clusters, users = (_by_name(config[part]) for part in ("contexts", "clusters", "users"))
            context = contexts[self.context or config["current-context"]]["context"]
            cluster, user = clusters[self.cluster or context["cluster"]], users[context["user"]]
            return Access(cluster["cluster"], user.get("user") or {}, self.namespace or context.get("namespace", ""))
        except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise SandboxError(f"kubeconfig: it cannot be used: {what}") from error


@dataclass(frozen=True)
class Access:
    """What a kubeconfig says of one context.

    Args:
        cluster: Its `cluster` part: server, certificate-authority-data.
        user: Its `user` part: a token, or a command that gives one.
        namespace: That of objects without one; "" for `default`.
    """

    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str = ""


def problems(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings: which one, and why."""
    for name in sorted(given.keys() - TEXTS.keys() - SWITCHES.keys() - IGNORED - {"enableServerSideApply"}):
        if not name.startswith("__"):
            yield name, f"not carried by the sandbox: provider setting {name!r}"
    if "enableServerSideApply" in given and not _true(given["enableServerSideApply"]):
        yield "enableServerSideApply", "not carried by the sandbox: client-side apply; leave out enableServerSideApply"
    if all(given.get(name) != UNKNOWN for name in LOCATION) and given.get("kubeconfig"):
        try:
            Settings.of(given).access()
        except SandboxError as error:
            yield "kubeconfig", str(error)


def replaced_by(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The settings whose change means another cluster, so that everything in it is made anew."""
    before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
    if before and after:
        return ["clusterIdentifier"] if before != after else []
    unknown = [name for name in LOCATION if new.get(name) == UNKNOWN]
    if unknown:
        return unknown
    try:
        same = Settings.of(old).access().cluster == Settings.of(new).access().cluster
    except SandboxError:
        return []
    return [] if same else [name for name in LOCATION if old.get(name) != new.get(name)]


def _true(value: Any) -> bool:
    return value in (True, "true")


def _by_name(items: Any) -> dict[str, Any]:
    return {item["name"]: item for item in items}
