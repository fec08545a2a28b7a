"""Whether the recovery region's database replica can be created.

A secondary cluster is created from its primary cluster, so not while that one's region is lost. The tier is raised
without it then, and a failover restores the newest snapshot. A replica that exists is always kept.
"""

from __future__ import annotations

from dr.clients import Unreachable
from dr.control.contract import Half
from dr.control.incident_state import IncidentState
from dr.data import global_database
from dr.errors import Problem
from dr.preflight import guards
from dr.topology.detection import IMPAIRED
from dr.topology.topology import Role, Topology


def left_out(topology: Topology, deployed: Half | None, day: IncidentState) -> Problem | None:
    """Return why the replica is left out; None if it can be created, exists, or is not wanted.

    The primary region is asked only while the alarm on its loss fires, which may last longer than the loss.

    Args:
        topology: The topology to deploy, with the activation of an incident.
        deployed: This stack's half of the contract; None before its first deployment.
        day: The incident state.

    Raises:
        Unreachable: The recovery region does not answer.
        Failed: CloudWatch or RDS refused the request.
    """
    if topology.role is Role.PRIMARY or topology.database_instances is None or deployed is None:
        return None
    if deployed.database and deployed.database.cluster:
        return None
    if day.incident:
        reason = f"incident {day.incident.id} is open"
    elif _fires(topology) and not _answers(topology):
        reason = f"RDS in {topology.primary.region} does not answer, and a replica is created from its cluster"
    else:
        return None
    remedy = "`dr failover` restores the newest snapshot; `pulumi up -s dr` after the failback creates the replica"
    return Problem("the database's replica", f"is left out: {reason}", remedy)


def _fires(topology: Topology) -> bool:
    states = guards.alarm_states(topology.bucket_prefix, topology.recovery.region, [IMPAIRED])
    return states.get(IMPAIRED) == guards.ALARM


def _answers(topology: Topology) -> bool:
    try:
        global_database.read_cluster(topology.primary.region, topology.database_cluster(Role.PRIMARY))
    except Unreachable:
        return False
    return True
