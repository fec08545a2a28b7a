"""What a failover would lose, by class of data: acknowledged writes that the recovery region does not have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dr.operations import data_steps, database_lag
from dr.operations.scene import Scene
from dr.topology.detection import SILENT
from dr.topology.tiers import describe_duration


@dataclass(frozen=True)
class Loss:
    """The loss of a class of data.

    Args:
        lost: Longest period of acknowledged writes that may be lost.
        objective: Its objective.
        fact: Both, as text.
    """

    lost: timedelta
    objective: timedelta
    fact: str


def lost_at(scene: Scene) -> datetime | None:
    """Return when the primary region was lost, by CloudWatch's clock; None if no alarm says so. Raises as `alarms`."""
    alarm = scene.alarms().named(scene.alarm_name(SILENT))
    return alarm.since if alarm and alarm.state == "ALARM" else None


def of_objects(scene: Scene) -> Loss:
    """Return the loss of objects. Raises as `data_steps.loss`."""
    objective = scene.tier.spec.rpo
    lost = data_steps.loss(scene, lost_at(scene) or datetime.now(UTC))
    fact = f"at most {describe_duration(lost)} of writes have not arrived (objective {describe_duration(objective)})"
    return Loss(lost, objective, fact)


def of_database(scene: Scene) -> Loss:
    """Return the loss of rows. Raises as `database_lag.behind`."""
    lost, objective, how = database_lag.behind(scene, lost_at(scene) or scene.alarms().at)
    fact = f"rows: {how} (objective {describe_duration(objective)})"
    return Loss(lost, objective, fact)


CLASSES: tuple[Callable[[Scene], Loss], ...] = (of_objects, of_database)
"""The classes that are measured; rows only with a database."""
