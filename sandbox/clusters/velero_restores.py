"""One restore of Velero: objects of an archive are created in their namespaces, or in those that they are mapped to.

An object that exists is not changed: it is a warning if it differs (velero.io, "Restore Reference", "Restore existing
resource policy"). An object that the API server refuses is an error of the restore, which is then PartiallyFailed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sandbox.clusters import velero_archive
from sandbox.clusters.api import Api, RefusedError, Thing
from sandbox.clusters.velero_archive import NotEmulatedError


@dataclass
class Results:
    """The results of a restore.

    Args:
        errors: Namespace and text of each error.
        warnings: The same of each warning.
    """

    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    @property
    def content(self) -> dict[str, dict[str, dict[str, list[str]]]]:
        """The results as they are stored."""
        return {"errors": _by_namespace(self.errors), "warnings": _by_namespace(self.warnings)}


class Restorer:
    """Restores one archive.

    Args:
        api: Client of the cluster's API server.
        restore: The restore.
    """

    def __init__(self, api: Api, restore: Thing) -> None:
        self._api, self._restore, self._spec = api, restore, restore["spec"]
        self._results = Results()

    def run(self, items: Iterable[tuple[str, Thing]]) -> Results:
        """Create the objects, and return what went wrong.

        Args:
            items: The objects of the archive with their resource types.
        """
        spaces, kinds = self._spec.get("includedNamespaces"), self._spec.get("includedResources")
        mapping = self._spec.get("namespaceMapping") or {}
        for resource, thing in items:
            source = thing["metadata"]["namespace"]
            if (spaces and source not in spaces and "*" not in spaces) or (kinds and resource not in kinds):
                continue
            self._create(resource, thing, mapping.get(source, source))
        return self._results

    def _create(self, resource: str, thing: Thing, space: str) -> None:
        subject = f"{resource} {space}/{thing['metadata']['name']}"
        try:
            self._ensure(space)
            made = velero_archive.restored(resource, thing, space, self._restore)
            self._api.call("POST", f"/api/v1/namespaces/{space}/{resource}", made)
        except RefusedError as error:
            if error.status == 409:
                self._results.warnings.append((space, f"could not restore, {subject} already exists"))
            else:
                self._results.errors.append((space, f"error restoring {subject}: {error}"))
        except NotEmulatedError as error:
            self._results.errors.append((space, f"error restoring {subject}: {error}"))

    def _ensure(self, space: str) -> None:
        if self._api.find("v1", "Namespace", "", space) is None:
            self._api.call("POST", "/api/v1/namespaces", {"metadata": {"name": space}})


def _by_namespace(found: list[tuple[str, str]]) -> dict[str, dict[str, list[str]]]:
    namespaces = defaultdict[str, list[str]](list)
    for space, text in found:
        namespaces[space].append(text)
    return {"namespaces": dict(namespaces)}
