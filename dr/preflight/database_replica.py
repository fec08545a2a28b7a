"""Whether the recovery region's database replica can be created.

A secondary cluster is created from its primary cluster, so not while that one's region is lost. The tier is raised
without it then, and a failover restores the newest snapshot. A replica that exists is always kept.
"""

from __future__ import annotations

from dr.clients import calls, client
from dr.control.contract import Half
from dr.control.incident_state import IncidentState
from dr.errors import Problem
from dr.topology.detection import IMPAIRED
from dr.topology.topology import Role, Topology

ALARM = "ALARM"


def left_out(topology: Topology, deployed: Half | None, day: IncidentState) -> Problem | None:
    """Return why the replica is left out; None if it can be created, exists, or is not wanted.

    Args:
        topology: The topology to deploy, with the activation of an incident.
        deployed: This stack's half of the contract; None before its first deployment.
        day: The incident state.

    Raises:
        Unreachable: The region does not answer.
        Failed: CloudWatch refused the request.
    """
    if topology.role is Role.PRIMARY or topology.database_instances is None or deployed is None:
        return None
    if deployed.database and deployed.database.cluster:
        return None
    alarm = f"{topology.bucket_prefix}-{IMPAIRED}"
    if day.incident:
        reason = f"incident {day.incident.id} is open"
    elif _fires(alarm, topology.recovery.region):
        reason = f"the alarm {alarm} fires, and a replica is created from {topology.primary.region}"
    else:
        return None
    remedy = "`dr failover` restores the newest snapshot; `pulumi up -s dr` after the failback creates the replica"
    return Problem("the database's replica", f"is left out: {reason}", remedy)


def _fires(alarm: str, region: str) -> bool:
    with calls(f"the alarm {alarm}", region):
        found = client("cloudwatch", region).describe_alarms(AlarmNames=[alarm], AlarmTypes=["CompositeAlarm"])
    return any(each["StateValue"] == ALARM for each in found["CompositeAlarms"])
