"""The class that runs each drill, by what the drill breaks."""

from __future__ import annotations

from collections.abc import Mapping

from dr.drills.catalog import Fault
from dr.drills.database_loss import DatabaseLoss
from dr.drills.grey_failure import GreyFailure
from dr.drills.rehearsal import Rehearsal
from dr.drills.zone_loss import ZoneLoss

REHEARSALS: Mapping[Fault, type[Rehearsal]] = {
    Fault.REGION: Rehearsal,
    Fault.ZONE: ZoneLoss,
    Fault.INFERENCE: GreyFailure,
    Fault.DATABASE: DatabaseLoss,
}
