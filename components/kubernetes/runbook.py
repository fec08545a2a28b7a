"""Runbook: the ConfigMap with what an operator does when a region is lost, readable with kubectl alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.labels import SERVING, metadata
from components.tagging import BACKUP_TAG


@dataclass(frozen=True)
class RunbookArgs:
    """Arguments of `Runbook`.

    Args:
        access: Access to the cluster.
        name: Name of the ConfigMap.
        files: Text by file name.
        after: Resources to wait for: the namespace.
    """

    access: ClusterAccess
    name: str
    files: dict[str, str]
    after: Sequence[pulumi.Resource] = ()


class Runbook(pulumi.ComponentResource):
    """A ConfigMap in inference's namespace, beside its alerts."""

    def __init__(self, name: str, args: RunbookArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Runbook", name, None, opts)
        args.access.place(self, f"{name}-text", config_map(args.name, args.files), *args.after)
        self.register_outputs({})


def config_map(name: str, files: dict[str, str]) -> dict[str, Any]:
    """Return the ConfigMap. No pod mounts it, so it is changed in place.

    It is backed up with the cluster's objects, so each backup has at least one (`dr drill backup-restore`).
    """
    about = metadata(name, SERVING)
    about["labels"] |= BACKUP_TAG
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": files}
