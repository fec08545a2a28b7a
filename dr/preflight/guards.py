"""Guards: changes that are refused before the first resource.

Lowering the tier is refused while an incident is open or while the recovery region serves. The recovery region serves
after the engage lever closed the primary record, or after DNS failed over because the primary did not answer. One call
reads the alarms of the recovery region that measure both, and only where a tier that serves is to be lowered.

Moving a region to another VPC is refused: neither EKS nor a load balancer can move (EKS API, UpdateClusterConfig; ELB
API, SetSubnets), and both refuse only after other resources were changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dr.clients import calls, client
from dr.control.contract import Half
from dr.control.incident_state import IncidentState
from dr.errors import DrError, Problem, Refused
from dr.topology.tiers import Tier
from dr.topology.topology import Role, Topology

PRIMARY_DOWN, RECOVERY_DOWN, PROBER_FAILING = "primary-down", "recovery-down", "prober-failing"
"""Alarms, by the end of their names."""
ALARM, OK = "ALARM", "OK"

States = Mapping[str, str]
"""Alarm to its state, as CloudWatch calls it; an alarm that is not there is missing."""


def same_network(topology: Topology, deployed: Half | None) -> None:
    """Refuse to move a region that is deployed to another VPC.

    Args:
        topology: What is to be deployed.
        deployed: What this stack deployed last; None before its first deployment.

    Raises:
        Refused: it would move.
    """
    before, wanted = deployed.network if deployed else "", topology.network_here
    if not before or before == wanted:
        return
    key = "dr:existingVpc" if topology.existing_vpc or before.startswith("vpc-") else f"dr:{topology.role}Cidr"
    fact = f"{topology.here.region} is deployed in {before}; its cluster and load balancer cannot move to {wanted}"
    rebuild = "set dr:protectData to false, destroy the dr stack and deploy it again"
    remedy = f"keep {before}, or {rebuild if topology.role is Role.RECOVERY else 'create another pair of stacks'}"
    raise Refused(Problem(key, fact, remedy))


def tier(topology: Topology, deployed: Tier | None, day: IncidentState) -> None:
    """Refuse a change of tier that takes away what is needed.

    Args:
        topology: What is to be deployed, on that day.
        deployed: The tier that was deployed last; None before the first deployment.
        day: The state of the day.

    Raises:
        Refused: it is needed, or whether it is could not be found out.
    """
    wanted = topology.running_tier
    if deployed is None or wanted >= deployed:
        return
    region = topology.recovery.region
    needed = why_needed(topology, deployed, day, lambda: alarm_states(topology.bucket_prefix, region))
    if needed:
        fact, then = needed
        raise Refused(
            Problem(
                "dr:tier",
                f'"{wanted}" is less than "{deployed}", which is deployed, and {fact}',
                f"`pulumi config set dr:tier {deployed} -s dr`, and lower it {then}",
            )
        )


def why_needed(
    topology: Topology, deployed: Tier, day: IncidentState, states: Callable[[], States]
) -> tuple[str, str] | None:
    """Why the deployed tier has to stay, and until when; None if it need not.

    Args:
        topology: Regions and names.
        deployed: The tier that is to be lowered.
        day: The state of the day.
        states: Asks for the states of the alarms.
    """
    primary, recovery = topology.primary.region, topology.recovery.region
    if day.incident:
        opened = f"{day.incident.id} is open since {day.incident.opened} ({day.incident.reason})"
        return f"incident {opened}", "after failback has closed the incident"
    if day.levers.engaged:
        return f"{recovery} serves: the lever engage keeps clients away from {primary}", "once the lever is released"
    if not deployed.spec.serves:
        return None
    prober = f"its log is the log group /{topology.bucket_prefix}-prober"
    try:
        found = states()
    except DrError as error:
        return f"whether {recovery} serves is unknown: {error.problems[0].fact}", "once that can be asked"
    if found.get(PROBER_FAILING) == ALARM:
        return f"whether {recovery} serves is unknown: the prober that measures it fails", f"once it runs; {prober}"
    for name in (PRIMARY_DOWN, RECOVERY_DOWN):
        if (state := found.get(name, "missing")) not in (ALARM, OK):
            alarm = f"alarm {topology.bucket_prefix}-{name} is {state}"
            return f"whether {recovery} serves is unknown: {alarm}", f"minutes later, when it has measured; {prober}"
    if found[PRIMARY_DOWN] == ALARM and found[RECOVERY_DOWN] == OK:
        return f"{recovery} serves: {primary} has not answered for minutes", f"once {primary} answers again"
    return None


def alarm_states(prefix: str, region: str) -> States:
    """States of the alarms, by the end of their names.

    Raises:
        Unreachable: the region does not answer.
        Failed: it refused.
    """
    names = [f"{prefix}-{name}" for name in (PRIMARY_DOWN, RECOVERY_DOWN, PROBER_FAILING)]
    with calls("the alarms that say who serves", region):
        found = client("cloudwatch", region).describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm"])
    return {each["AlarmName"].removeprefix(f"{prefix}-"): each["StateValue"] for each in found["MetricAlarms"]}
