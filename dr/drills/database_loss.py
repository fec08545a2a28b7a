"""The run of a drill of a lost database: the primary region is lost with the writer, and the database's time counts.

The steps are those of a failover. Its recovery point is the replication lag at the fault, because the emulated
clusters hold no rows.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta
from typing import ClassVar

from dr.data import global_database
from dr.drills import pacing
from dr.drills.environment import Clients
from dr.drills.rehearsal import Rehearsal
from dr.drills.rows import Rows
from dr.errors import DrError
from dr.names import incident_instance_name
from dr.operations import database_lag
from dr.operations.step_runner import Outcome

PROMOTED = "promote-database"
"""The step after which the recovery region's cluster writes."""
LAG_PATIENCE = timedelta(minutes=2)
"""Time limit for a value of the lag before the fault, by the machine's clock: one a minute is published."""


class DatabaseLoss(Rehearsal):
    """One run of a drill of a lost database."""

    boots: ClassVar[Set[str]] = frozenset({pacing.NODES, "start-database-instance", PROMOTED})

    def _break(self) -> None:
        home, away = self.scene.primary.database, self.scene.recovery.database
        seen = self.record.rows = Rows(home.cluster if home else "", away.cluster if away else "")
        self.say("waiting for a value of the replication lag")
        self.place.run_at(pacing.STEADY)
        self._until("a value of the replication lag", lambda: self._measured(seen), LAG_PATIENCE)
        self.place.run_at(pacing.MACHINE)
        super()._break()

    def _measured(self, seen: Rows) -> bool:
        try:
            found = database_lag.lag(self.scene.region, seen.cluster, self.place.now())
        except DrError as error:
            seen.why = error.problems[0].fact
            return False
        seen.lag_seconds, seen.why = found.total_seconds(), ""
        return True

    def _ended(self, outcome: Outcome) -> None:
        super()._ended(outcome)
        if outcome.step == PROMOTED and (seen := self.record.rows):
            seen.recovered = self.place.now()
            seen.writer = self._writer()

    def _return(self, clients: Clients) -> None:
        super()._return(clients)
        if seen := self.record.rows:
            instance = incident_instance_name(seen.cluster)
            seen.left = instance if global_database.instance_status(self.scene.region, instance) else ""
            seen.returned = self._writer()

    def _writer(self) -> str:
        home = self.scene.primary.database
        return global_database.read_global(self.scene.region, home.global_cluster).writer if home else ""
