"""Wait for a rollout, through the cluster's API, until it is complete or stuck."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from dr.clusters import rollout_report, rollouts
from dr.clusters.api_client import ClusterApi
from dr.clusters.rollouts import Limits, Look, Patience, Phase, Rollout
from dr.errors import Failed
from dr.topology.serving import NAMESPACE, SERVICE

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 3.0
APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"
DEPLOYMENT = f"{APPS}/deployments/{SERVICE}"


def look(api: ClusterApi, pods: bool = True) -> Look:
    """Read the inference Deployment and, optionally, its ReplicaSets and pods.

    Args:
        api: Client of the cluster.
        pods: Whether to read ReplicaSets and pods.

    Raises:
        Missing: The Deployment does not exist.
        Failed: The API server does not answer, or refuses the request.
    """
    deployment = api.get(DEPLOYMENT)
    if not pods:
        return Look(api.now, deployment)
    labels = deployment["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    replica_sets = api.get(f"{APPS}/replicasets", labelSelector=selector)["items"]
    found = api.get(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=selector)["items"]
    return Look(api.now, deployment, replica_sets, found)


def wait(
    api: ClusterApi,
    floor: int,
    patience: Patience,
    report: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Rollout:
    """Wait until the rollout of the inference Deployment is complete.

    Args:
        api: Client of the cluster.
        floor: The autoscaler's minimum number of replicas.
        patience: Time limits.
        report: Called with each new line of progress.
        clock: Monotonic clock, in seconds.
        sleep: Pauses for a number of seconds.

    Returns:
        The complete rollout, or a rolled-out revision with fewer replicas than wanted and at least `patience.enough`.

    Raises:
        Failed: The rollout is stuck (with all reasons) or takes longer than `patience.seconds`, or its state is unknown
            because requests fail.
    """
    began = answered = clock()
    region, pause, reported = api.address.region, FIRST_PAUSE, ""
    latest: Rollout | None = None
    while True:
        found = _judged(api, floor, patience.limits, latest)
        if isinstance(found, Rollout):
            answered, latest, line = clock(), found, found.progress
            if found.phase is Phase.COMPLETE or _enough(found, patience):
                return found
            if found.phase is Phase.STUCK:
                raise rollout_report.stuck(region, found)
            if clock() - began > patience.seconds:
                raise rollout_report.out_of_time(region, found, patience.seconds)
        else:
            line = f"the state of the rollout is unknown: {found.problems[0].fact}"
            if clock() - answered > patience.tolerated:
                raise rollout_report.unknown(region, found, patience.tolerated) from found
        if line != reported:
            report(line)
            reported = line
        sleep(pause)
        pause = min(pause * 1.3, LONGEST_PAUSE)


def _judged(api: ClusterApi, floor: int, limits: Limits, before: Rollout | None) -> Rollout | Failed:
    """Return the state of the rollout, or the error that prevents reading it."""
    try:
        seen = look(api, pods=False)
        if floor and _left_at_zero(seen.deployment):
            api.merge(f"{DEPLOYMENT}/scale", {"spec": {"replicas": 1}})
            seen = look(api, pods=False)
        brief = rollouts.judge(seen, floor, limits)
        return brief if brief.phase is Phase.COMPLETE else rollouts.judge(look(api), floor, limits, before)
    except Failed as error:
        return error


def _left_at_zero(deployment: Mapping[str, Any]) -> bool:
    """Return whether the Deployment has `replicas: 0`, and no field manager declares it.

    A failback to a tier without replicas scales to 0. From then on no manager owns `spec.replicas`: the API server does
    not record ownership of a zero that is set through the subresource `scale`. A later `pulumi up` to a serving tier no
    longer declares the field, which then keeps the 0 instead of the default 1. A 0 that a manager declares is an
    operator's decision, and is reported.
    """
    if deployment["spec"].get("replicas") != 0:
        return False
    owned = (each.get("fieldsV1", {}).get("f:spec", {}) for each in deployment["metadata"].get("managedFields", ()))
    return not any("f:replicas" in fields for fields in owned)


def _enough(found: Rollout, patience: Patience) -> bool:
    return found.phase is Phase.STUCK and found.rolled_out and found.counts.available >= patience.enough
