"""Clean-up after the process of a drill died: clients, faults, the clock, the incident, and the drill's objects."""

from __future__ import annotations

from collections.abc import Callable

from dr.drills import backup_restore, cluster_restore, failback, isolation, pacing, running, writes
from dr.drills.catalog import BACKUPS, ISOLATION
from dr.drills.deployment import Deployment
from dr.drills.environment import Sandbox
from dr.names import CONTROL, DRILL
from dr.operations.pulumi_cli import PulumiStack
from dr.operations.scene import Scene
from dr.operations.step_runner import Watcher
from dr.topology.topology import Role

STOP_SECONDS = 240.0
"""Time limit in seconds for a running drill to end by itself: it fails back first."""


def stop(
    scene: Scene, place: Sandbox | None, stack: PulumiStack, watcher: Watcher, say: Callable[[str], None]
) -> list[str]:
    """End the drill of this machine, and return what was cleaned up.

    A drill that runs is interrupted, and cleans up itself. Whatever it left is cleaned up here.

    Args:
        scene: The recovery region, with a new run.
        place: The sandbox; None on AWS, where a drill injects no fault.
        stack: The recovery stack.
        watcher: Observer of the failback.
        say: Shows a line of progress.

    Raises:
        Refused: The failback is refused: the primary region is not healthy.
        DrError: A call failed.
    """
    done = []
    found = running.read()
    if found and found.process.running():
        say(f"drill {found.drill} runs (pid {found.process.pid}): it is interrupted, and cleans up")
        found.process.end(STOP_SECONDS)
        done.append(f"the process of drill {found.drill}")
    if found and found.clients and found.clients.running():
        found.clients.end(STOP_SECONDS)
        done.append("its clients")
    # The faults first: the cluster answers once they are ended.
    if place:
        scene.clock = place.seconds
        done += _recover(scene, place, watcher)
    if scene.recovery.cluster and (names := isolation.remove(scene.cluster)):
        done.append(f"{', '.join(names)} in {DRILL}")
    if scene.recovery.cluster and (found is None or found.drill == BACKUPS):
        done += cluster_restore.remove(scene.cluster, say)
    if found and found.raised and place:
        Deployment(stack, place, say).restore()
        done.append("the tier that it deployed")
    if found and found.restores:
        done += backup_restore.remove(found, say)
    if found and found.drill not in (ISOLATION, BACKUPS):
        writes.remove(scene.home, scene.topology.bucket(CONTROL, Role.PRIMARY), found.run)
        done.append("its objects")
    running.forget()
    return done


def _recover(scene: Scene, place: Sandbox, watcher: Watcher) -> list[str]:
    """End the faults and the incident of a drill, and let the clock run at the machine's speed."""
    done = []
    if place.faults():
        place.repair()
        done.append("the faults")
    incident = scene.state().incident
    if incident and incident.reason.startswith("drill "):
        failback.fail_back(scene, place, watcher)
        done.append(f"incident {incident.id}")
    place.run_at(pacing.MACHINE)
    return done
