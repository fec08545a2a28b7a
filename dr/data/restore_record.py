"""The record of when a restore of a prefix began, in the control bucket of the region.

What a restore wrote has to be known when it continues on any machine, without a list of a million objects. Versions
that were written since it began, with the size and the checksum of the version of the time, are its own. Before it
began, only equal SHA-256 prove equal content, because an attacker can forge other checksums.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dr.clients import Missing, calls, client, write_once

PREFIX = "control/restores/"
SECOND = timedelta(seconds=1)
"""S3 stores times in whole seconds."""


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
        """Return the first second that this restore had for itself, by the clock of S3; None if it never began.

        Raises:
            Unreachable: The region does not answer.
        """
        try:
            with calls(f"s3://{self.records}/{self.key}", self.region):
                head = client("s3", self.region).head_object(Bucket=self.records, Key=self.key)
        except Missing:
            return None
        written: datetime = head["LastModified"]
        return written + SECOND

    def begin(self) -> datetime:
        """Record the beginning of the restore, unless it is recorded already, and return its first second.

        Raises:
            Missing: The control bucket does not exist.
            Unreachable: The region does not answer.
        """
        if began := self.began():
            return began
        body = {"bucket": self.bucket, "prefix": self.prefix, "as_of": self.at.isoformat(), "to": self.to}
        write_once(self.region, self.records, self.key, json.dumps(body).encode())
        # What was written in the second of the record, before it, is not of this restore.
        time.sleep(SECOND.total_seconds())
        return self.began() or self.begin()

    def forget(self) -> None:
        """Delete the record, for a restore that is complete and is not repeated.

        Raises:
            Unreachable: The region does not answer.
        """
        with calls(f"s3://{self.records}/{self.key}", self.region):
            client("s3", self.region).delete_object(Bucket=self.records, Key=self.key)
