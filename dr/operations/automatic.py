"""Automation: measures, decides by `dr.operations.automation`, and starts the operation that an operator would start.

It holds the lease as an operator does, so several starts at once make one incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from dr.control import shared_journal
from dr.control.lease import held_by, holder
from dr.errors import Problem, Refused
from dr.operations import automation, signals
from dr.operations.automatic_runs import last_run
from dr.operations.automation import AUTHOR, Action, Decision, Facts
from dr.operations.operation import FAILOVER, PREPARE, Operation, Plan, execute, plan
from dr.operations.scene import Options, Scene, read_scene
from dr.operations.step_runner import Outcome, Watcher, new_run
from dr.topology.topology import Topology

OPERATIONS: Mapping[Action, Operation] = {Action.FAILOVER: FAILOVER, Action.PREPARE: PREPARE}


@dataclass(frozen=True)
class Considered:
    """What automation found.

    Args:
        facts: What was measured.
        decision: What it does.
        plan: The plan of its operation; None if it does nothing.
    """

    facts: Facts
    decision: Decision
    plan: Plan | None = None


def scene_of(topology: Topology) -> Scene:
    """Return the scene of automation. Raises as `read_scene`."""
    return read_scene(topology, Options(AUTHOR, new_run(), by=holder(AUTHOR)))


def consider(scene: Scene) -> Considered:
    """Measure and decide, without changing anything.

    Raises:
        Unreachable: The recovery region does not answer.
    """
    facts = look(scene)
    decision = automation.decide(facts)
    if decision.action is Action.NOTHING:
        return Considered(facts, decision)
    scene.options = replace(scene.options, reason=f"{AUTHOR}: {'; '.join(decision.reasons)}")
    try:
        made = plan(scene, OPERATIONS[decision.action])
    except Refused as error:
        # The process died after its last step, before it gave the lease up.
        return Considered(facts, Decision(Action.NOTHING, tuple(each.fact for each in error.problems)))
    if refused := None if made.resumes else automation.unmet(made.findings):
        return Considered(facts, refused)
    return Considered(facts, decision, made)


def act(scene: Scene, considered: Considered, watcher: Watcher | None = None) -> list[Outcome]:
    """Do what was decided; nothing if nothing was.

    Raises:
        Refused: Another process operates, or the incident state forbids it by now. Nothing was changed.
        DrError: A step failed; an operator decides.
    """
    made, resumes = considered.plan, considered.decision.resumes
    if made is None:
        return []

    def confirm(scene: Scene) -> None:
        """Look again under the lease: another start may have ended, or an operator may have paused automation."""
        state = scene.state()
        against = (state.automation.paused,) if resumes else automation.state_forbids(state)
        if any(against):
            raise Refused(Problem(AUTHOR, "; ".join(against), "nothing is to be done; `dr status` shows the state"))

    return execute(scene, OPERATIONS[considered.decision.action], made, watcher, confirm=confirm)


def look(scene: Scene) -> Facts:
    """Measure what the rules need.

    Raises:
        Unreachable: The recovery region does not answer.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        seen = pool.submit(signals.read, scene)
        stored = scene.store.read()
        held = held_by(stored)
        last = last_run(shared_journal.of_topology(scene.topology), stored.now)
        return Facts(
            scene.topology.automation,
            tuple(seen.result()),
            stored.state,
            held.holder if held else "",
            stored.now - last if last else None,
        )
