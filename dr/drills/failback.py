"""The failback that ends a drill: wait until the primary region is healthy, then the same failback as for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dr.drills import allowed, pacing
from dr.drills.environment import Sandbox
from dr.drills.pacing import Paced
from dr.operations import restored_rows
from dr.operations.operation import FAILBACK, execute, plan
from dr.operations.scene import Scene
from dr.operations.step_runner import Watcher


def needed(scene: Scene) -> bool:
    """Return whether there is something to fail back from. Raises as `Scene.state`."""
    state = scene.state()
    return state.incident is not None or state.levers.engaged


def fail_back(scene: Scene, place: Sandbox, watcher: Watcher, begins: Callable[[], None] = lambda: None) -> None:
    """Fail back once the primary region is healthy.

    Args:
        scene: The recovery region, with a new run.
        place: The environment.
        watcher: Observer of the steps.
        begins: Called when the failback begins.

    Raises:
        Refused: The primary region is not healthy in time, or another process operates.
        DrError: A step failed.
    """
    # Rows of a cluster that the drill had restored are the drill's own.
    scene.options = replace(scene.options, accept=scene.options.accept | {restored_rows.NAME})
    allowed.wait(scene, place, FAILBACK, pacing.STEADY)
    begins()
    execute(scene, FAILBACK, plan(scene, FAILBACK), Paced(watcher, place))
