"""What a drill of a lost database has seen: the writer, and the rows that were lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass
class Rows:
    """What a drill has seen of the database.

    Args:
        home: Identifier of the primary region's cluster.
        cluster: Identifier of the recovery region's cluster.
    """

    home: str
    cluster: str
    lag_seconds: float | None = None
    """Replication lag at the fault; None if it was not measured."""
    why: str = ""
    """Why it was not measured."""
    acknowledged: Mapping[int, datetime] | None = None
    """When each row was acknowledged before the fault, by the machine's clock; None if no row was written."""
    lost: Mapping[int, float] | None = None
    """Age at the fault of each lost row, in seconds; None if rows were not compared."""
    writer: str = ""
    """The cluster that writes after the failover, as the recovery region describes it; "" if it was not read."""
    recovered: datetime | None = None
    """When it was, by the environment's clock."""
    returned: str = ""
    """The cluster that writes after the failback; "" if it was not read."""
    left: str | None = None
    """The instance of the incident that is left after the failback; None if it was not read."""
