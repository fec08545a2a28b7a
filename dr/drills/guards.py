"""Guards of a drill: a healthy starting point, so that whatever is seen afterwards is an effect of the drill."""

from __future__ import annotations

from collections.abc import Iterator

from dr.control.incident_state import IncidentState
from dr.drills.catalog import Drill, Fault
from dr.drills.environment import Sandbox
from dr.errors import Problem, Refused
from dr.operations.scene import Scene
from dr.topology.detection import IMPAIRED
from dr.topology.topology import AutomationMode


def no_incident(state: IncidentState) -> Iterator[Problem]:
    """Yield the problem that an incident is open. Pure."""
    if state.incident or state.levers.engaged:
        reason = f" ({state.incident.reason})" if state.incident else ""
        fact = f"incident {state.incident.id if state.incident else 'unknown'} is open{reason}"
        yield Problem("no-incident", fact, "`dr failback` ends it; `dr drill stop` ends that of a drill")


def check(scene: Scene, drill: Drill, place: Sandbox) -> None:
    """Check the starting point of a drill.

    Raises:
        Refused: It is not healthy; all problems are reported. Nothing was changed.
        Unreachable: The recovery region does not answer.
    """
    state = scene.state()
    problems = [*no_incident(state)]
    if faults := place.faults():
        fact = f"{len(faults)} faults are injected already, the first of kind {faults[0]['kind']}"
        problems.append(Problem("faults", fact, "`python -m sandbox fault clear`"))
    if scene.recovery.cluster is None and drill.fault is not Fault.ZONE and not drill.deploys:
        fact = f"{scene.region} has no cluster"
        remedy = "`dr drill region-loss` deploys one; the others need dr:tier pilot or higher, and `pulumi up -s dr`"
        problems.append(Problem(f"tier {scene.tier}", fact, remedy))
    if drill.fault is Fault.DATABASE and not (scene.recovery.database and scene.recovery.database.cluster):
        fact = f"{scene.region} has no replica of a database"
        remedy = "dr:database aurora and dr:tier pilot or higher, then `pulumi up` of both stacks"
        problems.append(Problem("dr:database", fact, remedy))
    if drill.shortage and scene.tier.spec.serves:
        fact = f"its GPU nodes run already, so a shortage in {scene.region} would hit nothing"
        problems.append(Problem(f"tier {scene.tier}", fact, "drill it in a tier without GPU nodes: pilot"))
    if drill.shortage and len(scene.topology.workload.gpu_types) < 2:
        fact = f"{', '.join(scene.topology.workload.gpu_types)} is the only type, so there is nothing to fall back to"
        problems.append(Problem("dr:gpuInstanceTypes", fact, "add a type"))
    mode = scene.topology.automation
    if mode is not AutomationMode.NOTIFY and not state.automation.paused:
        fact = f"it is {mode}, and could act on the loss before the drill does"
        problems.append(Problem("dr:automation", fact, "`dr pause --reason drill`, and `dr resume` after the drill"))
    alarm = scene.alarms().named(scene.alarm_name(IMPAIRED))
    if alarm is None or alarm.state == "ALARM":
        fact = f"it is in ALARM since {alarm.since:%H:%M:%S} UTC" if alarm else "it does not exist"
        problems.append(Problem(f"alarm {IMPAIRED}", fact, "`dr status` shows what is wrong; drill once it is OK"))
    if problems:
        raise Refused(*problems)
