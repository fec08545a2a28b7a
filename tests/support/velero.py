"""Cluster backups of a deployed sandbox."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from kubernetes import client, config

from tests.support.network import EAST, WEST
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import wait_for

SCHEDULE = "ml-backup-daily"
BACKUP = f"{SCHEDULE}-20261129020000"
OF = ("velero.io", "v1", "velero")


def phases(sandbox: SandboxUnderTest, region: str) -> dict[str, str]:
    """Return the phases of the backups that a region's cluster has, by name."""
    return {each["metadata"]["name"]: _phase(each) for each in _listed(sandbox, region, "backups")}


def back_up(sandbox: SandboxUnderTest) -> None:
    """Make the backup of a night, as its schedule does, and wait until it is in both regions."""
    # A location that was validated while its region was away refuses backups until it is validated again.
    sandbox.advance(2)
    wait_for(
        lambda: [_phase(each) for each in _listed(sandbox, EAST, "backupstoragelocations")] == ["Available"],
        "the location",
    )
    api = _api(sandbox, EAST)
    template = api.get_namespaced_custom_object(*OF, "schedules", SCHEDULE)["spec"]["template"]
    about = {"name": BACKUP, "labels": {"velero.io/schedule-name": SCHEDULE}}
    made = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": about, "spec": template}
    api.create_namespaced_custom_object(*OF, "backups", made)
    for region in (EAST, WEST):
        seen = partial(phases, sandbox, region)
        wait_for(partial(_completed, seen), f"the backup in {region}", seen)
        sandbox.advance(2)


def _completed(seen: Callable[[], dict[str, str]]) -> bool:
    return seen().get(BACKUP) == "Completed"


def _listed(sandbox: SandboxUnderTest, region: str, kind: str) -> list[dict[str, Any]]:
    return list(_api(sandbox, region).list_namespaced_custom_object(*OF, kind)["items"])


def _api(sandbox: SandboxUnderTest, region: str) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(config.new_client_from_config(str(sandbox.local.kubeconfig), context=region))


def _phase(thing: dict[str, Any]) -> str:
    return str(thing.get("status", {}).get("phase", ""))
