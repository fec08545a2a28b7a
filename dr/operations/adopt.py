"""Adopt: hand the engine what a killed `pulumi up` made, so that the next one goes on from there.

Looks everything up before it changes anything, and changes the stack's state in one step: all of it or nothing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dr.clients import NOT_FOUND, calls, client
from dr.errors import DrError, Failed, Invalid, Problem, Refused
from dr.operations import pending_operations
from dr.operations.pending_operations import BY_NAME, BY_TAG, CREATING, NAME_TAG, Pending
from dr.operations.steps import Report

GLOBAL = "us-east-1"
"""Where Route 53's tags are asked for."""
GONE = ("deleted", "deleting", "failed", "cancelled", "expired", "PendingDeletion")
ALIVE: Mapping[str, tuple[str, str, str, str, str]] = {
    "ec2:natgateway": ("ec2", "describe_nat_gateways", "NatGatewayIds", "NatGateways", "State"),
    "ec2:vpc-endpoint": ("ec2", "describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints", "State"),
    "ec2:capacity-reservation": (
        *("ec2", "describe_capacity_reservations", "CapacityReservationIds", "CapacityReservations", "State"),
    ),
    "kms:key": ("kms", "describe_key", "KeyId", "KeyMetadata", "KeyState"),
}
"""What keeps its tags for a while after it was deleted: where its state is asked for."""
READY: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "aws:eks/cluster:Cluster": ("eks", "cluster_active", {"name": "name"}),
    "aws:eks/nodeGroup:NodeGroup": (
        *("eks", "nodegroup_active"),
        {"clusterName": "clusterName", "nodegroupName": "nodeGroupName"},
    ),
}
"""What takes minutes to make and is needed by what comes next: a waiter of boto3, and its arguments from inputs."""

SELECTION = "aws:backup/selection:Selection"
"""It has no tags, and is one of a plan's few."""
ASKS = "`pulumi refresh` in a terminal asks for the id of each"


@dataclass(frozen=True)
class Found:
    """What became of one pending change.

    Args:
        pending: The change.
        id: The id of what was made, or may have been; None where there is nothing to adopt.
        says: That, for a person.
    """

    pending: Pending
    id: str | None
    says: str


@dataclass(frozen=True)
class Engine:
    """The engine's command, in a project.

    Args:
        project: The folder of Pulumi.yaml.
        stack: The stack.
    """

    project: Path
    stack: str

    def export(self) -> dict[str, Any]:
        """The stack's state. Raises Invalid, Failed."""
        return dict(json.loads(self._run("export")))

    def replace(self, state: Mapping[str, Any]) -> None:
        """Write the stack's state. Raises Failed: a lock, or a state the engine refuses; then nothing was changed."""
        self._run("import", json.dumps(state))

    def _run(self, verb: str, given: str | None = None) -> str:
        command = ["pulumi", "stack", verb, "--stack", self.stack, "--non-interactive"]
        subject = f"pulumi stack {verb} -s {self.stack}"
        try:
            done = subprocess.run(command, cwd=self.project, input=given, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            remedy = "`make shell` for the sandbox, or install Pulumi"
            raise Invalid(Problem("pulumi", "is not on PATH", remedy)) from error
        if done.returncode:
            said = done.stderr.strip()
            locked = f"if no other engine works on it, `pulumi cancel -s {self.stack}`, then the same command again"
            raise Failed(Problem(subject, said, locked if "locked" in said else "mend what it says, and run it again"))
        return done.stdout


def run(engine: Engine, report: Report, apply: bool = True) -> list[Found]:
    """Look up what is pending and, if wanted, write it into the state.

    Args:
        engine: The engine, and the stack.
        report: Told what is looked at.
        apply: Whether the state is changed.

    Returns:
        What became of each pending change; empty where nothing is pending, and nothing was changed.

    Raises:
        Failed: something could not be looked up, or did not become ready; nothing was changed.
        Invalid: there is no engine.
    """
    state = engine.export()
    deployment = state.get("deployment") or {}
    begun = pending_operations.pending(deployment)
    if not begun:
        return []
    report(f"looking for {len(begun)} resources", None)
    known = pending_operations.known_ids(deployment)
    with ThreadPoolExecutor(max_workers=min(8, len(begun))) as pool:
        looked = list(pool.map(partial(_look, known), begun))
    if problems := [problem for each in looked if isinstance(each, DrError) for problem in each.problems]:
        raise Failed(*problems)
    found = [each for each in looked if isinstance(each, Found)]
    if apply:
        for each in found:
            _wait(each, report)
        ids = {each.pending.urn: each.id for each in found if each.id}
        engine.replace({**state, "deployment": pending_operations.adopted(deployment, ids)})
    return found


def refuse_unfinished(engine: Engine) -> None:
    """Refuse to create anything while a creation is pending: it could be made twice.

    Raises:
        Refused: the last update was killed; with what it was making.
    """
    try:
        deployment = engine.export().get("deployment") or {}
    except DrError:
        # Not asked, not known: the engine's own warning is what there is then.
        return
    begun = [each for each in pending_operations.pending(deployment) if each.doing == CREATING and not each.harmless]
    if begun:
        names = ", ".join(each.name for each in begun)
        raise Refused(
            Problem(
                f"stack {engine.stack}",
                f"the last update was killed while it made {names}: made again, they would be there twice, or refused",
                f"`dr adopt -s {engine.stack} --yes`, then the same command again",
            )
        )


def _look(known: set[str], begun: Pending) -> Found | DrError:
    try:
        return look(begun, known)
    except DrError as error:
        return error


def look(begun: Pending, known: set[str]) -> Found:
    """Find out what became of one change.

    Args:
        begun: The change.
        known: Ids that the state knows.

    Raises:
        Failed: it cannot be found out.
    """
    if begun.doing != CREATING:
        return Found(begun, None, "is read again by the next update")
    if begun.harmless:
        return Found(begun, None, "is made again, which does no harm")
    if id := begun.named_id:
        return Found(begun, id, "is adopted if it is there")
    if begun.type in BY_TAG:
        return _found(begun, [id for id in _tagged(begun) if id not in known])
    if begun.type == SELECTION:
        return _found(begun, [id for id in _selections(begun) if id not in known])
    why = "its inputs do not say its id" if begun.type in BY_NAME else "this type is not looked for"
    raise Failed(Problem(begun.urn, f"whether it was made is unknown: {why}", ASKS))


def _found(begun: Pending, ids: list[str]) -> Found:
    if len(ids) > 1:
        fact = f"{len(ids)} have its tags and are not in the state: {', '.join(ids)}"
        raise Failed(Problem(begun.urn, fact, "delete those that nothing uses, then run the same command again"))
    return Found(begun, ids[0], f"was made: {ids[0]}") if ids else Found(begun, None, "was not made")


def _tagged(begun: Pending) -> list[str]:
    """Ids of live resources of the type that have its tags."""
    tags, region = begun.inputs.get("tags") or {}, begun.region or GLOBAL
    if NAME_TAG not in tags:
        fact = f'it has no tag "{NAME_TAG}", so it cannot be told from others'
        raise Failed(Problem(begun.urn, fact, ASKS))
    searched = BY_TAG[begun.type]
    with calls(begun.urn, region):
        pages = (
            client("resourcegroupstaggingapi", region)
            .get_paginator("get_resources")
            .paginate(
                TagFilters=[{"Key": key, "Values": [value]} for key, value in tags.items()],
                ResourceTypeFilters=[searched],
            )
        )
        ids = [
            pending_operations.id_of_arn(one["ResourceARN"]) for page in pages for one in page["ResourceTagMappingList"]
        ]
        return [id for id in ids if _alive(searched, id, region)]


def _alive(searched: str, id: str, region: str) -> bool:
    if searched not in ALIVE:
        return True
    service, operation, argument, member, state = ALIVE[searched]
    wanted: Any = [id] if argument.endswith("Ids") else id
    answer = getattr(client(service, region), operation)(**{argument: wanted})[member]
    shown = answer[0] if isinstance(answer, list) else answer
    return shown[state] not in GONE


def _selections(begun: Pending) -> list[str]:
    region = begun.region or GLOBAL
    with calls(begun.urn, region):
        pages = (
            client("backup", region)
            .get_paginator("list_backup_selections")
            .paginate(BackupPlanId=begun.inputs["planId"])
        )
        return [
            one["SelectionId"]
            for page in pages
            for one in page["BackupSelectionsList"]
            if one["SelectionName"] == begun.inputs.get("name")
        ]


def _wait(found: Found, report: Report) -> None:
    """Wait until what is still being made is ready. Raises Failed."""
    from botocore.exceptions import WaiterError

    begun = found.pending
    if found.id is None or begun.type not in READY:
        return
    report(f"waiting for {begun.name}", None)
    service, waiter, arguments = READY[begun.type]
    region = begun.region or GLOBAL
    with calls(begun.urn, region):
        try:
            client(service, region).get_waiter(waiter).wait(**{to: begun.inputs[of] for to, of in arguments.items()})
        except WaiterError as error:
            if error.last_response.get("Error", {}).get("Code") in NOT_FOUND:
                return
            remedy = "look at it in EKS; once it is ACTIVE or deleted, run the same command again"
            raise Failed(Problem(begun.urn, str(error), remedy)) from error
