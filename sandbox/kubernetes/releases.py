"""Helm releases: recorded as Helm records them, with the definitions of their charts; nothing else is rendered.

How a release is kept: helm/helm, pkg/storage/driver/secrets.go and pkg/storage/storage.go.
Which change replaces: pulumi-kubernetes, provider/pkg/provider/helm_release.go.
"""

from __future__ import annotations

import base64
import gzip
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes import charts
from sandbox.kubernetes.cluster import Cluster, Object, Refused, Served
from sandbox.plugin import UNKNOWN, SandboxError

MANAGER = "helm"
DEFAULT_SECONDS = 300
"""`timeout` where the program gives none."""
CARRIED = frozenset(
    {"chart", "createNamespace", "name", "namespace", "repositoryOpts", "skipCrds", "values", "version"}
)
RECORDED = frozenset(
    [
        "allowNullValues",
        "atomic",
        "cleanupOnFail",
        "compat",
        "dependencyUpdate",
        "description",
        "devel",
        "disableCRDHooks",
        "disableOpenapiValidation",
        "disableWebhooks",
        "forceUpdate",
        "maxHistory",
        "recreatePods",
        "renderSubchartNotes",
        "resetValues",
        "skipAwait",
        "timeout",
        "waitForJobs",
    ]
)
"""How Helm goes about it, and what it waits for: nothing runs here, so that these change nothing."""
REPLACED_ON = (("name",), ("namespace",))
NAMESPACE = Served("v1", "namespaces", False)
SECRET = Served("v1", "secrets", True)
DEFINITION = Served("apiextensions.k8s.io/v1", "customresourcedefinitions", False)


def checked(name: str, news: Object, olds: Object, namespace: str) -> tuple[Object, list[tuple[str, str]]]:
    """The inputs completed, and what is wrong with them."""
    inputs = {key: value for key, value in news.items() if value is not None}
    inputs.setdefault("name", olds.get("name") or f"{name}-{secrets.token_hex(4)}")
    inputs.setdefault("namespace", namespace or "default")
    if not inputs.get("skipAwait"):
        inputs.setdefault("timeout", DEFAULT_SECONDS)
    return inputs, list(_problems(inputs))


def _problems(inputs: Object) -> Iterator[tuple[str, str]]:
    for key in sorted(inputs.keys() - CARRIED - RECORDED):
        if not key.startswith("__"):
            yield key, f"not carried by the sandbox: Release.{key}"
    chart = charts.chart_name(str(inputs.get("chart", "")))
    if inputs.get("chart") != UNKNOWN and chart not in charts.known_charts():
        yield "chart", f"not carried by the sandbox: chart {chart!r}; carried are {', '.join(charts.known_charts())}"
    if not inputs.get("version"):
        yield "version", "the sandbox cannot ask which version is the newest: pin one"


class Releases:
    """The releases of one cluster.

    Args:
        cluster: The API server.
        definition_ready: Waits until a definition is established, or raises SandboxError.
    """

    def __init__(self, cluster: Cluster, definition_ready: Callable[[Object], None]) -> None:
        self.cluster, self._definition_ready = cluster, definition_ready

    def install(self, inputs: Object) -> Object:
        """Install; returns the state.

        Raises:
            SandboxError: a release of this name is there, or the namespace is not.
        """
        namespace, name = inputs["namespace"], inputs["name"]
        if self._history(namespace, name):
            raise SandboxError(f"cannot re-use the name {name!r}: a release of it is in namespace {namespace!r}")
        if self.cluster.get(NAMESPACE, "", namespace) is None:
            if not inputs.get("createNamespace"):
                raise SandboxError(f"namespace {namespace!r} is not there; make it first, or set createNamespace")
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.cluster.apply(NAMESPACE, body, MANAGER)
        self._install_definitions(inputs)
        return self._record(inputs, revision=1, note="Install complete")

    def upgrade(self, inputs: Object) -> Object:
        """Upgrade; the revision before stays as superseded, as far as `maxHistory` lets it. Returns the state."""
        history = self._history(inputs["namespace"], inputs["name"])
        if not history:
            raise SandboxError(f"{inputs['name']!r} has no deployed releases in namespace {inputs['namespace']!r}")
        self._install_definitions(inputs)
        for secret in history:
            if secret["metadata"]["labels"]["status"] == "deployed":
                self._supersede(secret)
        state = self._record(inputs, _revision(history[-1]) + 1, "Upgrade complete")
        kept = int(inputs.get("maxHistory") or 0)
        if kept:
            self._delete(self._history(inputs["namespace"], inputs["name"])[:-kept])
        return state

    def read(self, namespace: str, name: str) -> tuple[Object, Object] | None:
        """What is installed, as inputs that would bring it, and the state; None if nothing is."""
        deployed = [
            each for each in self._history(namespace, name) if each["metadata"]["labels"]["status"] == "deployed"
        ]
        if not deployed:
            return None
        release = decoded(deployed[-1])
        chart = release["chart"]["metadata"]
        inputs = {"name": name, "namespace": namespace, "chart": chart["name"], "version": chart["version"]}
        if release["config"]:
            inputs["values"] = release["config"]
        return inputs, _state(inputs, release["version"])

    def uninstall(self, namespace: str, name: str) -> None:
        """Remove what records it. Definitions stay, as Helm leaves them, and so does the namespace."""
        self._delete(self._history(namespace, name))

    def _history(self, namespace: str, name: str) -> list[Object]:
        """The Secrets of a release, oldest first."""
        found = self.cluster.listed("v1", "Secret", namespace, labelSelector=f"owner=helm,name={name}")
        return sorted(found, key=_revision)

    def _install_definitions(self, inputs: Object) -> None:
        if inputs.get("skipCrds"):
            return
        brought = charts.definitions(charts.chart_name(inputs["chart"]))
        for definition in brought:
            # As Helm does: what is there already is left as it is.
            if self.cluster.get(DEFINITION, "", definition["metadata"]["name"]) is None:
                self.cluster.apply(DEFINITION, definition, MANAGER)
        for definition in brought:
            self._definition_ready(definition)

    def _record(self, inputs: Object, revision: int, note: str) -> Object:
        chart = charts.chart_name(inputs["chart"])
        release = {
            "name": inputs["name"],
            "namespace": inputs["namespace"],
            "version": revision,
            "config": inputs.get("values") or {},
            "info": {"status": "deployed", "description": inputs.get("description") or note},
            "chart": {"metadata": {"name": chart, "version": inputs["version"], "apiVersion": "v2"}},
            "manifest": "",
        }
        self._write(f"sh.helm.release.v1.{inputs['name']}.v{revision}", release, "deployed")
        return _state(inputs, revision)

    def _supersede(self, secret: Object) -> None:
        release = decoded(secret)
        release["info"]["status"] = "superseded"
        self._write(secret["metadata"]["name"], release, "superseded")

    def _write(self, name: str, release: Object, status: str) -> None:
        labels = {"name": release["name"], "owner": "helm", "status": status, "version": str(release["version"])}
        labels["modifiedAt"] = str(int(datetime.now(UTC).timestamp()))
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "helm.sh/release.v1",
            "metadata": {"name": name, "namespace": release["namespace"], "labels": labels},
            "data": {"release": _encoded(release)},
        }
        self.cluster.apply(SECRET, body, MANAGER, force=True)

    def _delete(self, history: list[Object]) -> None:
        for secret in history:
            try:
                self.cluster.request("DELETE", SECRET.path(secret["metadata"]["namespace"], secret["metadata"]["name"]))
            except Refused as error:
                if error.code != 404:
                    raise


def _revision(secret: Mapping[str, Any]) -> int:
    return int(secret["metadata"]["labels"]["version"])


def _encoded(release: Object) -> str:
    """As Helm writes it: gzip in base64, and once more in base64 as every Secret's data."""
    packed = base64.b64encode(gzip.compress(json.dumps(release, sort_keys=True).encode(), mtime=0))
    return base64.b64encode(packed).decode()


def decoded(secret: Mapping[str, Any]) -> Object:
    """The release that a Secret holds."""
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    return dict(json.loads(gzip.decompress(packed)))


def _state(inputs: Object, revision: int) -> Object:
    status = {
        "name": inputs["name"],
        "namespace": inputs["namespace"],
        "chart": charts.chart_name(inputs["chart"]),
        "version": inputs["version"],
        "revision": revision,
        "status": "deployed",
    }
    return {**inputs, "status": status}
