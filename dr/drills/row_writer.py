"""Rows of a drill: a numbered row several times a second in the writer, and which of them another cluster has.

The environment runs the statements as the administrator of the database. Only one with real servers can.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from dr.drills.environment import Sandbox
from dr.errors import DrError

TABLE = "dr_drill_rows"
CREATE = "create table if not exists dr_drill_rows (id serial primary key); truncate dr_drill_rows"
INSERT = "insert into dr_drill_rows default values returning id"
SELECT = "select id from dr_drill_rows"
DROP = "drop table if exists dr_drill_rows"
EVERY_SECONDS = 0.2


class RowWriter:
    """Inserts rows until it is stopped. A row that could not be inserted is not acknowledged, and not counted as lost.

    Args:
        place: The environment.
        region: Region of the writer.
        cluster: Identifier of the writer's cluster.
    """

    def __init__(self, place: Sandbox, region: str, cluster: str) -> None:
        self._place, self._region, self._cluster = place, region, cluster
        self._lock = threading.Lock()
        self._acknowledged: dict[int, datetime] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="rows", daemon=True)

    def start(self) -> None:
        """Create the table, and start to insert.

        Raises:
            Failed: The environment has no server of the cluster.
        """
        self._place.sql(self._region, self._cluster, CREATE)
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """Number of rows that were acknowledged so far."""
        with self._lock:
            return len(self._acknowledged)

    def stop(self) -> dict[int, datetime]:
        """Stop, and return when each row was acknowledged, by the machine's clock."""
        self._ended.set()
        self._thread.join()
        with self._lock:
            return dict(self._acknowledged)

    def _write(self) -> None:
        while not self._ended.is_set():
            with suppress(DrError):
                number = int(self._place.sql(self._region, self._cluster, INSERT))
                with self._lock:
                    self._acknowledged[number] = datetime.now(UTC)
            self._ended.wait(EVERY_SECONDS)


def present(place: Sandbox, region: str, cluster: str) -> set[int]:
    """Return the rows that a cluster has. Raises as `Sandbox.sql`."""
    return {int(each) for each in place.sql(region, cluster, SELECT).split()}


def remove(place: Sandbox, region: str, cluster: str) -> None:
    """Drop the table. Raises as `Sandbox.sql`."""
    place.sql(region, cluster, DROP)


def lost(acknowledged: Mapping[int, datetime], found: Collection[int], fault: datetime) -> dict[int, float]:
    """Return the age at the fault of each row that was acknowledged before and is not found, in seconds. Pure.

    Args:
        acknowledged: When each row was acknowledged.
        found: Rows that the other cluster has.
        fault: Time of the fault, by the same clock.
    """
    before = {number: at for number, at in acknowledged.items() if at <= fault}
    return {number: (fault - at).total_seconds() for number, at in before.items() if number not in found}
