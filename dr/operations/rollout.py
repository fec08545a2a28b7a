"""Rollout of the inference Deployment in each region, with the problems that block it. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from dr.clients import Missing, Unreachable
from dr.clusters import rollouts
from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.clusters.rollout_report import problem
from dr.clusters.rollout_wait import look
from dr.clusters.rollouts import Phase, Rollout
from dr.control.contract import ClusterRecord, Half
from dr.control.control_bucket import read_control
from dr.errors import DrError, Exit, Failed, Problem
from dr.topology.serving import NAMESPACE, SERVICE
from dr.topology.topology import Role, Topology

AUTOSCALER = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{SERVICE}"
CONNECT_SECONDS, READ_SECONDS = 3.0, 5.0


@dataclass(frozen=True)
class RegionRollout:
    """Rollout of the inference Deployment in one region.

    Args:
        role: Role of the region.
        region: The region.
        rollout: State of the rollout; None if it is unknown or the region has no cluster or no Deployment.
        problems: Why the rollout is stuck or its state is unknown, each with its fix.
        missing: Whether the cluster lacks the Deployment.
    """

    role: Role
    region: str
    rollout: Rollout | None = None
    problems: tuple[Problem, ...] = ()
    missing: bool = False

    @property
    def state(self) -> str:
        """State as text: "complete", "progressing", "stuck", "missing", "unknown" or "no cluster"."""
        if self.rollout:
            return str(self.rollout.phase)
        if self.missing:
            return "missing"
        return "unknown" if self.problems else "no cluster"


def exit_code(found: Sequence[RegionRollout]) -> Exit:
    """Return FAILED if a rollout is stuck or missing, UNKNOWN if one is unknown or progressing, else OK."""
    states = {each.state for each in found}
    if states & {"stuck", "missing"}:
        return Exit.FAILED
    return Exit.UNKNOWN if states & {"unknown", "progressing"} else Exit.OK


def run(topology: Topology, role: Role | None = None) -> list[RegionRollout]:
    """Read the rollout in each deployed region, in parallel.

    Args:
        topology: Regions and names.
        role: Role of the only region to read; None for both.

    Raises:
        Unreachable: Neither region's control bucket answers.
        Refused: Nothing is deployed.
        Failed: The region of that role is not deployed.
    """
    try:
        control = read_control(topology, Role.RECOVERY)
    except Unreachable:
        control = read_control(topology, Role.PRIMARY)
    halves = [half for each, half in control.halves.items() if role in (None, each)]
    if role and not halves:
        fact = f"s3://{control.bucket} ({control.region}) does not have it"
        raise Failed(Problem(f"contract of {role}", fact, "`pulumi up` of the stack that owns it"))
    grace = topology.serving.rollout_grace_seconds
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda half: region_rollout(half, grace), halves))


def region_rollout(half: Half, grace_seconds: float) -> RegionRollout:
    """Read the rollout in one region.

    Args:
        half: Half of the contract that the region's stack exported.
        grace_seconds: How long a replica may fail to start, in seconds.
    """
    if half.cluster is None:
        return RegionRollout(half.role, half.region)
    try:
        found = _judged(half.cluster, half.region, half.serves, grace_seconds)
    except Missing as error:
        remedy = f"`pulumi up -s {half.stack}` makes it"
        gone = Problem(f"{NAMESPACE}/{SERVICE}", f"does not exist: {error.problems[0].fact}", remedy)
        return RegionRollout(half.role, half.region, problems=(gone,), missing=True)
    except DrError as error:
        return RegionRollout(half.role, half.region, problems=error.problems)
    stuck = found.phase is Phase.STUCK
    problems = tuple(problem(each, half.region) for each in found.reasons) if stuck else ()
    return RegionRollout(half.role, half.region, found, problems)


def _judged(cluster: ClusterRecord, region: str, runs: bool, grace_seconds: float) -> Rollout:
    address = ClusterAddress(cluster.name, region, cluster.endpoint, cluster.ca_data)
    api = ClusterApi(address, CONNECT_SECONDS, READ_SECONDS)
    floor = int(api.get(AUTOSCALER)["spec"]["minReplicas"]) if runs else 0
    # A single observation has only the ages of pods, so the minimum observation time is 0.
    allowed = replace(rollouts.limits(grace_seconds), confirm=timedelta(0))
    return rollouts.judge(look(api), floor, allowed)
