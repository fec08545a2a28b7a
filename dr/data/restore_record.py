"""The record of when a restore of a prefix began, in the control bucket of the region.

What a restore wrote has to be known when it continues on any machine, without a list of a million objects. Versions
that were written since it began, with the size and the checksum of the version of the time, are its own. Before it
began, only equal SHA-256 prove equal content, because an attacker can forge other checksums.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from dr.clients import Conflict, Missing, read_object, write_once

PREFIX = "control/restores/"


@dataclass(frozen=True)
class Record:
    """The record of one restore.

    Args:
        region: The region.
        records: The region's control bucket.
        bucket: Bucket of the restore.
        prefix: Its prefix.
        at: Its time.
        to: Prefix that it restores to; None for in place.
    """

    region: str
    records: str
    bucket: str
    prefix: str
    at: datetime
    to: str | None

    @property
    def key(self) -> str:
        """Key of the record: the same for the same command."""
        parts = [self.bucket, self.prefix, self.at.astimezone(UTC).isoformat(), self.to]
        return f"{PREFIX}{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}.json"

    def began(self) -> datetime | None:
        """Return when the restore was executed for the first time; None if it never was.

        Raises:
            Unreachable: The region does not answer.
        """
        try:
            return datetime.fromisoformat(json.loads(read_object(self.region, self.records, self.key))["began"])
        except Missing:
            return None

    def begin(self) -> datetime:
        """Record the beginning of the restore, unless it is recorded already, and return it.

        Raises:
            Missing: The control bucket does not exist.
            Unreachable: The region does not answer.
        """
        now = datetime.now(UTC).replace(microsecond=0)  # S3 stores times in seconds
        body = {"began": now.isoformat(), "bucket": self.bucket, "prefix": self.prefix, "to": self.to}
        try:
            write_once(self.region, self.records, self.key, json.dumps(body).encode())
        except Conflict:
            return self.began() or now
        return now
