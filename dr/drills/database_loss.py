"""The run of a drill of a lost database: the primary region is lost with the writer, and the database's time counts.

The steps are those of a failover. Rows are counted where a PostgreSQL server is behind the clusters' endpoints.
Otherwise the recovery point is the replication lag at the fault.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta
from typing import ClassVar

from dr.data import global_database
from dr.drills import pacing, row_writer
from dr.drills.environment import Clients
from dr.drills.rehearsal import PATIENCE, Rehearsal
from dr.drills.row_writer import EVERY_SECONDS, RowWriter
from dr.drills.rows import Rows
from dr.errors import DrError, Failed
from dr.names import incident_instance_name
from dr.operations import database_lag
from dr.operations.step_runner import Outcome

PROMOTED = "promote-database"
"""The step after which the recovery region's cluster writes."""
LAG_PATIENCE = timedelta(minutes=2)
"""Time limit for a value of the lag before the fault, by the machine's clock: one a minute is published."""

FEWEST_ROWS = 5
"""Rows that are acknowledged before the fault: without any, none could be lost."""


class DatabaseLoss(Rehearsal):
    """One run of a drill of a lost database."""

    boots: ClassVar[Set[str]] = frozenset({pacing.NODES, "start-database-instance", PROMOTED})

    _rows: RowWriter | None = None

    def _break(self) -> None:
        home, away = self.scene.primary.database, self.scene.recovery.database
        seen = self.record.rows = Rows(home.cluster if home else "", away.cluster if away else "")
        self._start_rows(seen)
        self.say("waiting for a value of the replication lag")
        self.place.run_at(pacing.STEADY)
        self._until("a value of the replication lag", lambda: self._measured(seen), LAG_PATIENCE)
        if rows := self._rows:
            self._until("acknowledged rows", lambda: rows.acknowledged >= FEWEST_ROWS, LAG_PATIENCE)
        self.place.run_at(pacing.MACHINE)
        super()._break()
        if self._rows and self.record.fault_at:
            # The environment goes on to run statements in the lost region, which acknowledges none.
            fault = self.record.fault_at
            seen.acknowledged = {number: at for number, at in self._rows.stop().items() if at <= fault}

    def _start_rows(self, seen: Rows) -> None:
        """Insert rows if a server is behind the cluster's endpoint."""
        writer = RowWriter(self.place, self.scene.home, seen.home)
        try:
            writer.start()
        except Failed:
            self.say(f"no row is counted: no server is behind the endpoint of {seen.home}")
            return
        self._rows = writer
        self.say(f"a row is inserted into {seen.home} each {EVERY_SECONDS:g} s")

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
            if seen.acknowledged is not None and self.record.fault_at:
                self._until("a server that takes writes", lambda: self._writable(seen.cluster), PATIENCE)
                found = row_writer.present(self.place, self.scene.region, seen.cluster)
                seen.lost = row_writer.lost(seen.acknowledged, found, self.record.fault_at)

    def _writable(self, cluster: str) -> bool:
        return self.place.sql(self.scene.region, cluster, "select pg_is_in_recovery()").strip() == "f"

    def _return(self, clients: Clients) -> None:
        super()._return(clients)
        if seen := self.record.rows:
            instance = incident_instance_name(seen.cluster)
            seen.left = instance if global_database.instance_status(self.scene.region, instance) else ""
            seen.returned = self._writer()
        if self._rows:
            row_writer.remove(self.place, self.scene.home, seen.home if seen else "")

    def _writer(self) -> str:
        home = self.scene.primary.database
        return global_database.read_global(self.scene.region, home.global_cluster).writer if home else ""
