"""Guards: changes that are refused before the first resource.

Lowering the tier is refused while an incident is open or while the recovery region serves. The recovery region serves
after the engage lever closed the primary record, or after DNS failed over because the primary did not answer. One call
reads the alarms of the recovery region that measure both, and only when a serving tier is lowered.

Moving a region to another VPC is refused: neither an EKS cluster nor a load balancer can move (EKS API,
UpdateClusterConfig; ELB API, SetSubnets), and AWS rejects the move only after other resources have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dr.clients import calls, client
from dr.control.contract import Half
from dr.control.incident_state import IncidentState
from dr.errors import DrError, Problem, Refused
from dr.topology.tiers import Tier
from dr.topology.topology import Role, Topology

PRIMARY_DOWN, RECOVERY_DOWN, PROBER_FAILING = "primary-down", "recovery-down", "prober-failing"
"""Name suffixes of the alarms."""
ALARM, OK = "ALARM", "OK"

States = Mapping[str, str]
"""CloudWatch alarm state by name suffix; an alarm that does not exist has no entry."""


def same_network(topology: Topology, deployed: Half | None) -> None:
    """Refuse to move a deployed region to another VPC.

    Args:
        topology: The topology to deploy.
        deployed: This stack's half of the contract; None before its first deployment.

    Raises:
        Refused: The configured VPC or CIDR block differs from the deployed one.
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
    """Refuse to lower the tier during an incident or while the recovery region serves.

    Args:
        topology: The topology to deploy, with the activation of an incident.
        deployed: The deployed tier; None before the first deployment.
        day: The incident state.

    Raises:
        Refused: The deployed tier is needed, or it is unknown whether it is needed.
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
    """Return why the deployed tier is needed, and until when; None if it is not needed.

    Args:
        topology: Regions and names.
        deployed: The deployed tier.
        day: The incident state.
        states: Reads the states of the alarms.
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
    if found.get(PRIMARY_DOWN) == OK:
        # Clients reach the primary. The recovery endpoint may be unmeasured: it is not expected to serve before its
        # region holds a model set.
        return None
    for name in (PRIMARY_DOWN, RECOVERY_DOWN):
        if (state := found.get(name, "missing")) not in (ALARM, OK):
            alarm = f"alarm {topology.bucket_prefix}-{name} is {state}"
            return f"whether {recovery} serves is unknown: {alarm}", f"minutes later, when it has measured; {prober}"
    if found[RECOVERY_DOWN] == OK:
        return f"{recovery} serves: {primary} has not answered for minutes", f"once {primary} answers again"
    return None


def alarm_states(
    prefix: str, region: str, names: Sequence[str] = (PRIMARY_DOWN, RECOVERY_DOWN, PROBER_FAILING)
) -> States:
    """Return the states of alarms, by name suffix.

    Args:
        prefix: Name prefix of the alarms.
        region: Region of the alarms.
        names: Their name suffixes.

    Raises:
        Unreachable: The region does not answer.
        Failed: CloudWatch refused the request.
    """
    with calls("the alarms that say who serves", region):
        found = client("cloudwatch", region).describe_alarms(
            AlarmNames=[f"{prefix}-{name}" for name in names], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    both = (*found["MetricAlarms"], *found["CompositeAlarms"])
    return {each["AlarmName"].removeprefix(f"{prefix}-"): each["StateValue"] for each in both}
