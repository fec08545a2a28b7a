"""Wait until the guards of an operation are met, as an operator does who repeats the command."""

from __future__ import annotations

import time
from datetime import timedelta

from dr.drills import pacing
from dr.drills.environment import Sandbox
from dr.operations import prechecks
from dr.operations.operation import Operation
from dr.operations.scene import Scene

PATIENCE = timedelta(minutes=10)
"""Time limit, by the environment's clock."""
POLL_SECONDS = 0.3


def wait(scene: Scene, place: Sandbox, operation: Operation, speed: float) -> None:
    """Wait until the guards of an operation are met.

    Args:
        scene: The recovery region.
        place: The environment.
        operation: The operation.
        speed: Speed of the clock meanwhile.

    Raises:
        Refused: They are not met in time.
    """
    place.run_at(speed)
    try:
        limit = place.now() + PATIENCE
        while refusal := prechecks.refusal(scene, operation.guards, prechecks.run(scene, operation.guards)):
            if place.now() > limit:
                raise refusal
            time.sleep(POLL_SECONDS)
    finally:
        place.run_at(pacing.MACHINE)
