"""Adopt resources that an interrupted `pulumi up` created into the stack's state.

All lookups precede the first change. The state is replaced in one step.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from dr.clients import NOT_FOUND, calls, client
from dr.errors import DrError, Failed, Problem, Refused
from dr.names import GLOBAL_REGION
from dr.operations import pending_operations
from dr.operations.pending_operations import BY_NAME, BY_TAG, CREATING, NAME_TAG, Pending
from dr.operations.pulumi_cli import PulumiStack
from dr.operations.steps import Report

GONE = ("deleted", "deleting", "failed", "cancelled", "expired", "PendingDeletion")
ALIVE: Mapping[str, tuple[str, str, str, str, str]] = {
    "ec2:natgateway": ("ec2", "describe_nat_gateways", "NatGatewayIds", "NatGateways", "State"),
    "ec2:vpc-endpoint": ("ec2", "describe_vpc_endpoints", "VpcEndpointIds", "VpcEndpoints", "State"),
    "ec2:capacity-reservation": (
        *("ec2", "describe_capacity_reservations", "CapacityReservationIds", "CapacityReservations", "State"),
    ),
    "kms:key": ("kms", "describe_key", "KeyId", "KeyMetadata", "KeyState"),
}
"""Types that keep their tags for a while after deletion: service, operation, argument, result key, state key."""
READY: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "aws:eks/cluster:Cluster": ("eks", "cluster_active", {"name": "name"}),
    "aws:eks/nodeGroup:NodeGroup": (
        *("eks", "nodegroup_active"),
        {"clusterName": "clusterName", "nodegroupName": "nodeGroupName"},
    ),
}
"""Types that other resources depend on and that take minutes to create: service, boto3 waiter, arguments by input."""

SELECTION = "aws:backup/selection:Selection"
"""AWS Backup selections have no tags; a selection is found by its name in its backup plan."""
ASK_IDS = "run `pulumi refresh` in a terminal: it asks for the id of each pending resource"


@dataclass(frozen=True)
class Found:
    """The result of looking up one pending operation.

    Args:
        pending: The pending operation.
        id: ID of the resource that exists, or may exist; None if there is nothing to adopt.
        outcome: The result, as text.
    """

    pending: Pending
    id: str | None
    outcome: str


def run(stack: PulumiStack, report: Report, apply: bool = True) -> list[Found]:
    """Look up pending operations and, with `apply`, adopt their resources into the state.

    Args:
        stack: The stack.
        report: Called with each step of progress.
        apply: Whether to change the state.

    Returns:
        The result for each pending operation; empty if none is pending.

    Raises:
        Failed: A lookup failed, or a resource did not become ready; the state is unchanged.
        Invalid: `pulumi` is not installed.
    """
    state = stack.export_state()
    deployment = state.get("deployment") or {}
    operations = pending_operations.pending(deployment)
    if not operations:
        return []
    report(f"looking for {len(operations)} resources", None)
    known = pending_operations.known_ids(deployment)
    with ThreadPoolExecutor(max_workers=min(8, len(operations))) as pool:
        looked = list(pool.map(partial(_try_look, known), operations))
    if problems := [problem for each in looked if isinstance(each, DrError) for problem in each.problems]:
        raise Failed(*problems)
    found = [each for each in looked if isinstance(each, Found)]
    if apply:
        for each in found:
            _wait(each, report)
        ids = {each.pending.urn: each.id for each in found if each.id}
        stack.import_state({**state, "deployment": pending_operations.adopted(deployment, ids)})
    return found


def refuse_unfinished(stack: PulumiStack) -> None:
    """Refuse an update while creations are pending: their resources could be created twice.

    Raises:
        Refused: An update was interrupted while it created resources.
    """
    try:
        deployment = stack.export_state().get("deployment") or {}
    except DrError:
        # An unreadable state is not refused here: the engine itself warns about pending operations.
        return
    unfinished = [
        each for each in pending_operations.pending(deployment) if each.doing == CREATING and not each.harmless
    ]
    if unfinished:
        names = ", ".join(each.name for each in unfinished)
        raise Refused(
            Problem(
                f"stack {stack.name}",
                f"the last update was interrupted while it created {names}; creating them again could make duplicates",
                f"run `dr adopt -s {stack.name} --yes`, then `pulumi up -s {stack.name}` (not `pulumi refresh`, which "
                "Pulumi's own warning suggests: it cannot find the ids by itself)",
            )
        )


def _try_look(known: set[str], pending: Pending) -> Found | DrError:
    try:
        return look(pending, known)
    except DrError as error:
        return error


def look(pending: Pending, known: set[str]) -> Found:
    """Look up the resource of one pending operation.

    Args:
        pending: The operation.
        known: IDs of resources that are in the state.

    Raises:
        Failed: It is unknown whether the resource exists.
    """
    if pending.doing != CREATING:
        return Found(pending, None, "the next update reads it again")
    if pending.harmless:
        return Found(pending, None, "the next update creates it again, which does no harm")
    if id := pending.named_id:
        return Found(pending, id, "is adopted if it exists")
    if pending.type in BY_TAG:
        return _found(pending, [id for id in _tagged(pending) if id not in known])
    if pending.type == SELECTION:
        return _found(pending, [id for id in _selections(pending) if id not in known])
    why = "its inputs do not contain its id" if pending.type in BY_NAME else "resources of this type are not looked up"
    raise Failed(Problem(pending.urn, f"it is unknown whether it was created: {why}", ASK_IDS))


def _found(pending: Pending, ids: list[str]) -> Found:
    if len(ids) > 1:
        fact = f"{len(ids)} resources have its tags and are not in the state: {', '.join(ids)}"
        raise Failed(Problem(pending.urn, fact, "delete those that are not used, then run the command again"))
    return Found(pending, ids[0], f"was created: {ids[0]}") if ids else Found(pending, None, "was not created")


def _tagged(pending: Pending) -> list[str]:
    """Return the IDs of existing resources with the type and tags of the pending resource."""
    tags, region = pending.inputs.get("tags") or {}, pending.region or GLOBAL_REGION
    if NAME_TAG not in tags:
        fact = f'it has no tag "{NAME_TAG}", so it cannot be identified'
        raise Failed(Problem(pending.urn, fact, ASK_IDS))
    searched = BY_TAG[pending.type]
    with calls(pending.urn, region):
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
    value: Any = [id] if argument.endswith("Ids") else id
    answer = getattr(client(service, region), operation)(**{argument: value})[member]
    found = answer[0] if isinstance(answer, list) else answer
    return found[state] not in GONE


def _selections(pending: Pending) -> list[str]:
    region = pending.region or GLOBAL_REGION
    with calls(pending.urn, region):
        pages = (
            client("backup", region)
            .get_paginator("list_backup_selections")
            .paginate(BackupPlanId=pending.inputs["planId"])
        )
        return [
            one["SelectionId"]
            for page in pages
            for one in page["BackupSelectionsList"]
            if one["SelectionName"] == pending.inputs.get("name")
        ]


def _wait(found: Found, report: Report) -> None:
    """Wait until a resource that is still being created is ready. Raises `Failed` if it does not become ready."""
    from botocore.exceptions import WaiterError

    pending = found.pending
    if found.id is None or pending.type not in READY:
        return
    report(f"waiting for {pending.name}", None)
    service, waiter, arguments = READY[pending.type]
    region = pending.region or GLOBAL_REGION
    with calls(pending.urn, region):
        try:
            client(service, region).get_waiter(waiter).wait(**{to: pending.inputs[of] for to, of in arguments.items()})
        except WaiterError as error:
            if error.last_response.get("Error", {}).get("Code") in NOT_FOUND:
                return
            remedy = "look at it in EKS; run the command again once it is ACTIVE or deleted"
            raise Failed(Problem(pending.urn, str(error), remedy)) from error
