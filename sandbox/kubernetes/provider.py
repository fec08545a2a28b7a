"""The stand-in for the Pulumi Kubernetes plugin: the engine's gRPC requests as calls to a real API server.

A model of the plugin, not the plugin: general over kinds, by the tables in `kinds` and `awaiting`. It talks to an API
server on this machine and to nothing else.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2

from sandbox.kubernetes import diff, kinds, objects, releases, settings
from sandbox.kubernetes.awaiting import LOOKED_AT_WHEN_READ
from sandbox.kubernetes.cluster import Cluster, Object, Unreachable
from sandbox.kubernetes.deploying import Deploying
from sandbox.kubernetes.diff import Change, Path
from sandbox.kubernetes.objects import MANAGER, Asked, Objects, annotation, id_of, pruned
from sandbox.kubernetes.releases import Releases
from sandbox.kubernetes.settings import Settings
from sandbox.plugin import (
    UNKNOWN,
    PartlyDone,
    Plugin,
    SandboxError,
    answers,
    from_struct,
    known,
    logical_name,
    serve,
    to_struct,
    token,
)

UNCHECKED = "previews go on, and show neither what its API server would refuse nor what was changed by hand"


class Provider(Plugin):
    """gRPC service `pulumirpc.ResourceProvider`; requests come from many threads."""

    package = "kubernetes"

    def __init__(self) -> None:
        super().__init__()
        self._settings = Settings()
        self._cluster: Cluster | None = None
        self._unreachable = "the provider is not configured yet"
        self._unsaid: list[str] = []
        """Warnings for the first object that is checked: who only deletes a cluster has no use for them."""
        self._namespace = ""
        self._cancelled = threading.Event()

    # The provider itself --------------------------------------------------------------------------------------

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=version("pulumi_kubernetes"))

    def Cancel(self, request: Any, context: Any) -> Any:
        """Ends every wait; what was made is kept, with what it waited for."""
        self._cancelled.set()
        return Empty()

    @answers
    def CheckConfig(self, request: Any) -> Any:
        found = settings.problems(from_struct(request.news))
        failures = [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in found]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    @answers
    def DiffConfig(self, request: Any) -> Any:
        old, new = from_struct(request.olds), from_struct(request.news)
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        changes = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=changed, replaces=settings.replaced_by(old, new))

    @answers
    def Configure(self, request: Any) -> Any:
        given = from_struct(request.args)
        self._settings, self._cluster, self._unreachable = Settings.of(given), None, ""
        self._unsaid.clear()
        self._namespace = self._settings.namespace
        if not known([given.get(name) for name in settings.LOCATION]):
            self._unreachable = "the cluster is not there yet"
            return provider_pb2.ConfigureResponse(supportsPreview=True)
        access = self._settings.access()
        self._namespace = access.namespace
        self._cluster = Cluster(access)
        try:
            self._cluster.probe()
        except Unreachable as error:
            # Nothing is refused for that yet: a preview has to work, and what reads or writes says it for itself.
            self._unreachable = str(error)
            self._unsaid.append(f"{error}: {UNCHECKED}")
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    # Resources ------------------------------------------------------------------------------------------------

    @answers
    def Check(self, request: Any) -> Any:
        news, olds = from_struct(request.news), from_struct(request.olds)
        name = logical_name(request.urn)
        with contextlib.suppress(IndexError):
            self.log.warn(self._unsaid.pop())
        if self._unreachable and self._settings.skip_update_unreachable and olds:
            self.log.warn("the cluster is unreachable, and skipUpdateUnreachable is set: left as it is", request.urn)
            inputs, problems = olds, []
        elif token(request.urn) == kinds.RELEASE:
            inputs, problems = releases.checked(name, news, olds, self._namespace)
        else:
            asked = _asked(request)
            served = None if self._unreachable else self._objects.served(asked)
            inside = objects.namespaced(served, asked)
            seed = request.randomSeed
            inputs, problems = objects.checked(asked, name, news, olds, self._namespace, inside, seed)
        failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in problems]
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    @answers
    def Diff(self, request: Any) -> Any:
        old, new = from_struct(request.old_inputs), from_struct(request.news)
        found = {
            path: change for path, change in diff.differences(old, new) if not diff.ignored(path, request.ignoreChanges)
        }
        if token(request.urn) == kinds.RELEASE:
            return _answered(found, {path for path in found if path[:1] in releases.REPLACED_ON}, deletes_first=False)
        asked, live = _asked(request), from_struct(request.olds)
        replaced = {path for path in found if diff.replaces(asked.api_version, asked.kind, path, new, self._settings)}
        if found and not replaced and not self._unreachable and known(new):
            found = self._deploying.without_spellings(asked, found, live, new)
        wants_ready = annotation(new, "replaceUnready") == "true" and not self._unreachable
        if wants_ready and not replaced and self._deploying.not_ready(asked, live):
            path = ("metadata", "annotations", "pulumi.com/replaceUnready")
            found[path], replaced = Change.UPDATE, {path}
        return _answered(found, replaced, deletes_first=_same_place(old, new))

    @answers
    def Create(self, request: Any) -> Any:
        wanted = from_struct(request.properties)
        if token(request.urn) == kinds.RELEASE:
            return self._create_release(request, wanted)
        asked = _asked(request)
        if request.preview:
            outputs = self._dry_run(asked, wanted, "", creating=True)
            return provider_pb2.CreateResponse(properties=to_struct(outputs))
        self._reach()
        if not self._settings.upsert and self._objects.live(asked, wanted):
            raise SandboxError(
                f"it already exists: {id_of(wanted)}; import it, or set upsertExistingObjects on the provider"
            )
        manager = self._objects.manager(wanted, {})
        live = self._objects.apply(asked, wanted, manager)
        state = self._deploying.awaited(asked, wanted, live, manager, request.timeout)
        return provider_pb2.CreateResponse(id=id_of(live), properties=to_struct(state))

    @answers
    def Read(self, request: Any) -> Any:
        state, inputs = from_struct(request.properties), from_struct(request.inputs)
        if self._unreachable:
            return self._read_unreachable(request)
        if token(request.urn) == kinds.RELEASE:
            return self._read_release(request, inputs)
        asked = _asked(request)
        served = self._objects.served(asked)
        live = self._cluster_at_hand.get(served, *objects.identity(request.id)) if served else None
        if live is None:
            return provider_pb2.ReadResponse()
        manager = self._objects.manager(inputs, state)
        inputs = self._deploying.with_drift(asked, inputs, live, manager) if inputs else pruned(live)
        state = {**live, MANAGER: manager}
        if f"{asked.api_version}/{asked.kind}" in LOOKED_AT_WHEN_READ and (
            reasons := self._deploying.not_ready(asked, live)
        ):
            raise PartlyDone(SandboxError("; ".join(reasons)), request.id, state, inputs)
        return provider_pb2.ReadResponse(id=request.id, properties=to_struct(state), inputs=to_struct(inputs))

    @answers
    def Update(self, request: Any) -> Any:
        state, wanted = from_struct(request.olds), from_struct(request.news)
        if token(request.urn) == kinds.RELEASE:
            if request.preview:
                return provider_pb2.UpdateResponse(properties=to_struct({**wanted, "status": UNKNOWN}))
            self._reach()
            return provider_pb2.UpdateResponse(properties=to_struct(self._releases(request).upgrade(wanted)))
        asked, before = _asked(request), str(state.get(MANAGER, ""))
        if request.preview:
            outputs = self._dry_run(asked, wanted, before, creating=False)
            return provider_pb2.UpdateResponse(properties=to_struct(outputs))
        self._reach()
        manager = self._objects.manager(wanted, state)
        live = self._objects.apply(asked, wanted, manager)
        if before and before != manager:
            self._objects.relinquish(asked, live, before)
        state = self._deploying.awaited(asked, wanted, live, manager, request.timeout)
        return provider_pb2.UpdateResponse(properties=to_struct(state))

    @answers
    def Delete(self, request: Any) -> Any:
        if self._unreachable and self._settings.delete_unreachable:
            self.log.warn("the cluster is unreachable, and deleteUnreachable is set: no longer kept", request.urn)
            return Empty()
        if self._unreachable:
            raise SandboxError(f"{self._unreachable}; {_DROPS}")
        if token(request.urn) == kinds.RELEASE:
            self._releases(request).uninstall(*objects.identity(request.id))
        else:
            state = from_struct(request.properties)
            self._objects.delete(_asked(request), request.id, state, request.timeout, self._cancelled.is_set)
        return Empty()

    # What they share ------------------------------------------------------------------------------------------

    @property
    def _cluster_at_hand(self) -> Cluster:
        if self._cluster is None:
            raise SandboxError(self._unreachable)
        return self._cluster

    @property
    def _objects(self) -> Objects:
        return Objects(self._cluster_at_hand, self._settings, self.log.progress)

    @property
    def _deploying(self) -> Deploying:
        return Deploying(self._objects, self.log, self._cancelled.is_set)

    def _reach(self) -> None:
        if self._unreachable:
            raise SandboxError(f"{self._unreachable}; nothing was changed, and the next `up` goes on from here")

    def _dry_run(self, asked: Asked, wanted: Object, manager: str, creating: bool) -> Object:
        if self._unreachable or not known(wanted):
            return wanted
        return self._deploying.dry_run(asked, wanted, manager, creating)

    def _read_unreachable(self, request: Any) -> Any:
        if self._settings.delete_unreachable:
            self.log.warn("the cluster is unreachable, and deleteUnreachable is set: no longer kept", request.urn)
            return provider_pb2.ReadResponse()
        if self._settings.skip_update_unreachable:
            self.log.warn("the cluster is unreachable, and skipUpdateUnreachable is set: left as it is", request.urn)
            return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)
        raise SandboxError(f"{self._unreachable}; {_DROPS}")

    def _releases(self, request: Any) -> Releases:
        def definition_ready(definition: Object) -> None:
            asked = Asked(request.urn, definition["apiVersion"], definition["kind"])
            self._deploying.awaited(asked, definition, definition, "", request.timeout)

        return Releases(self._cluster_at_hand, definition_ready)

    def _create_release(self, request: Any, wanted: Object) -> Any:
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct({**wanted, "status": UNKNOWN}))
        self._reach()
        state = self._releases(request).install(wanted)
        return provider_pb2.CreateResponse(id=id_of({"metadata": wanted}), properties=to_struct(state))

    def _read_release(self, request: Any, inputs: Object) -> Any:
        found = self._releases(request).read(*objects.identity(request.id))
        if found is None:
            return provider_pb2.ReadResponse()
        installed, state = found
        if inputs and releases.charts.chart_name(inputs["chart"]) == installed["chart"]:
            installed["chart"] = inputs["chart"]
        kept = {name: value for name, value in inputs.items() if name not in ("values", "version")}
        inputs = {**kept, **installed}
        return provider_pb2.ReadResponse(
            id=request.id, properties=to_struct({**state, **inputs}), inputs=to_struct(inputs)
        )


_DROPS = (
    "if it is gone for good, deleteUnreachable on the provider (PULUMI_K8S_DELETE_UNREACHABLE=true) drops what it held"
)


def _asked(request: Any) -> Asked:
    name = token(request.urn)
    found = kinds.of_token(name)
    if found is None or found[1].endswith(("List", "Patch")):
        raise SandboxError(f"not carried by the sandbox: resource type {name}")
    return Asked(request.urn, *found)


def _same_place(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether old and new cannot be there at once: the program named both, and alike."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    autonamed = objects.AUTONAMED in (after.get("annotations") or {})
    return not autonamed and all(before.get(part) == after.get(part) for part in ("name", "namespace"))


def _answered(found: Mapping[Path, Change], replaced: set[Path], deletes_first: bool) -> Any:
    response = provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE, hasDetailedDiff=True)
    for path, change in found.items():
        sort = f"{change.value}_REPLACE" if path in replaced else change.value
        detail = response.detailedDiff[diff.shown(path)]
        detail.kind, detail.inputDiff = provider_pb2.PropertyDiff.Kind.Value(sort), True
        response.changes = provider_pb2.DiffResponse.DIFF_SOME
    response.diffs.extend(sorted({str(path[0]) for path in found}))
    response.replaces.extend(sorted(diff.shown(path) for path in replaced))
    response.deleteBeforeReplace = bool(replaced) and deletes_first
    return response


if __name__ == "__main__":
    serve(Provider())
