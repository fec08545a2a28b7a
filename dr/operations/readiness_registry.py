"""Readiness check of the model registry: a failover can start its server, and it has one writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from dr.clients import Missing
from dr.findings import Finding, Status
from dr.operations.inspected import Inspected
from dr.operations.registry_steps import ready, requested
from dr.topology.registry import DEPLOYMENT, REPLICAS, SERVER

NAME = "model registry"


def look(inspected: Inspected) -> Iterator[Finding]:
    """Check the MLflow server in the recovery region; without one, or without a cluster, there is nothing to check."""
    scene = inspected.scene
    if scene.topology.registry is None or scene.recovery.cluster is None:
        return
    found: Mapping[str, Any] | None = None
    with suppress(Missing):
        found = scene.cluster.get(DEPLOYMENT)
    yield judge(found, scene.state().levers.engaged, inspected.region, scene.recovery.stack)


def judge(found: Mapping[str, Any] | None, serves: bool, region: str, stack: str) -> Finding:
    """Judge the server of the recovery region. Pure.

    Args:
        found: Its Deployment; None if the cluster has none.
        serves: Whether clients use the region.
        region: The recovery region.
        stack: Name of its stack.
    """
    name = f"{NAME} in {region}"
    objective = "a replica is ready" if serves else "no replica, and ready to start"
    if found is None:
        fact = f"the cluster has no Deployment {SERVER}: a failover could not start it"
        return Finding(name, Status.MISSED, fact, f"`pulumi up -s {stack}`", objective)
    count = requested(found)
    if not serves and count:
        fact = f"{count} replicas are requested, and clients use the other region: the registry has two servers"
        return Finding(name, Status.MISSED, fact, f"`pulumi up -s {stack}` stops it", objective)
    if not serves:
        return Finding(name, Status.MET, "no replica: a failover starts it", "", objective)
    answering = ready(found)
    status = Status.MET if answering else Status.MISSED
    hint = "" if answering else f"`kubectl describe pods -n mlflow -l app={SERVER}`"
    return Finding(name, status, f"{answering} of {max(REPLICAS, count)} replicas ready", hint, objective)
