"""What a deployment does with one object beyond applying it: try it first, and wait until it is ready."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.kubernetes import diff
from sandbox.kubernetes.awaiting import Failed, Waiting, unready
from sandbox.kubernetes.cluster import Object, Refused
from sandbox.kubernetes.diff import Change, Path
from sandbox.kubernetes.objects import MANAGER, Asked, Objects, annotation, id_of, timeout_seconds
from sandbox.kubernetes.reasons import explain
from sandbox.plugin import UNKNOWN, EngineLog, PartlyDone, SandboxError

MADE_UP = ("creationTimestamp", "resourceVersion", "uid")


class Deploying:
    """Operations on objects of a cluster that answers.

    Args:
        objects: The cluster's.
        log: The engine's.
        stop: Whether the engine has cancelled.
    """

    def __init__(self, objects: Objects, log: EngineLog, stop: Callable[[], bool]) -> None:
        self._objects, self._log, self._stop = objects, log, stop

    def dry_run(self, asked: Asked, wanted: Object, manager: str, creating: bool) -> Object:
        """What the server would make of it; the inputs as they are where it cannot tell yet.

        Raises:
            SandboxError: it would refuse it.
        """
        if self._objects.served(asked) is None:
            return wanted
        if creating and self._objects.live(asked, wanted):
            # It may be the one that this one replaces, and is gone by then.
            return wanted
        manager = manager or self._objects.manager(wanted, {})
        try:
            outputs = self._objects.apply(asked, wanted, manager, dry_run=True)
        except Refused as error:
            namespace = wanted["metadata"].get("namespace")
            if error.code == 404 and namespace and f'namespaces "{namespace}"' in str(error):
                return wanted
            if error.code == 403:
                # So does the plugin: who may look need not be who deploys. It only does not say so.
                self._log.warn(f"the API server would refuse it now: {error}", asked.urn)
                return wanted
            raise
        outputs.pop("status", None)
        if creating:
            # The server makes these up, for a dry run too, and not the same again.
            outputs["metadata"] |= dict.fromkeys(MADE_UP, UNKNOWN)
        return {**outputs, MANAGER: manager}

    def without_spellings(
        self, asked: Asked, found: dict[Path, Change], live: Object, new: Object
    ) -> dict[Path, Change]:
        """Without changes that the server takes for the same: "1000m" for "1".

        What comes or goes is never that: it changes who holds the field.
        """
        updates = [path for path, change in found.items() if change is Change.UPDATE]
        if not updates:
            return found
        try:
            applied = self._objects.apply(asked, new, self._objects.manager(new, live), force=True, dry_run=True)
        except SandboxError:
            # The preview of the update says it.
            return found
        same = {path for path in updates if diff.at(applied, path) == diff.at(live, path)}
        return {path: change for path, change in found.items() if path not in same}

    def with_drift(self, asked: Asked, inputs: Object, live: Object, manager: str) -> Object:
        """The inputs, with what others have changed of them; as they were where the server does not tell."""
        try:
            applied = self._objects.apply(asked, inputs, manager, force=True, dry_run=True)
        except Refused as error:
            self._log.warn(f"whether it was changed by hand is not known: {error}", asked.urn)
            return inputs
        return dict(diff.drifted(inputs, live, applied))

    def not_ready(self, asked: Asked, live: Object) -> list[str]:
        """Why it is not ready now; nothing where nobody waits for it."""
        if annotation(live, "skipAwait") == "true":
            return []
        current = self._objects.live(asked, live)
        try:
            return unready(current, self._objects.cluster.listed, annotation(live, "waitFor")) if current else []
        except Failed as error:
            return [str(error)]

    def awaited(self, asked: Asked, wanted: Object, live: Object, manager: str, timeout: float) -> Object:
        """The state once it is ready.

        Args:
            asked: What it is.
            wanted: Its inputs, with the annotations that say what to wait for.
            live: As it was applied.
            manager: Who applied it.
            timeout: In seconds, as the engine was told; 0 for the annotation or the default.

        Raises:
            PartlyDone: it does not become ready: it is there, and kept.
        """
        if annotation(wanted, "skipAwait") == "true":
            return {**live, MANAGER: manager}
        look = self._objects.cluster.listed
        waiting = Waiting(
            read=lambda: self._objects.live(asked, wanted),
            look=look,
            explain=lambda current: explain(current, look),
            report=lambda text: self._log.progress(text, asked.urn),
            stop=self._stop,
        )
        waiting.live = live
        try:
            reasons = waiting.until_ready(timeout_seconds(wanted, timeout), annotation(wanted, "waitFor"))
        except SandboxError as error:
            reasons = [str(error)]
        state = {**waiting.live, MANAGER: manager}
        if reasons:
            raise PartlyDone(SandboxError("; ".join(reasons)), id_of(waiting.live), state)
        return state
