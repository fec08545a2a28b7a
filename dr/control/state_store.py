"""Reading and writing the incident state with conditional writes, so that no writer overwrites another's change.

S3 accepts a write only if the object still has the ETag that was read, or does not exist yet (S3 user guide, "How to
prevent object overwrites with conditional writes"). Times are those of S3, because operators' clocks differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from dr.clients import Conflict, Missing, calls, client
from dr.control import incident_state
from dr.control.incident_state import IncidentState
from dr.errors import Failed, Problem

ATTEMPTS = 8
"""Writers are few: an operator, automation, and whoever takes over."""


@dataclass(frozen=True)
class Stored:
    """The incident state as it was read.

    Args:
        state: The state; normal operation if the object does not exist.
        etag: ETag of the object; "" if it does not exist.
        now: Time of the answer, by the clock of S3.
    """

    state: IncidentState
    etag: str
    now: datetime


class StateStore:
    """The incident state in one region's control bucket.

    Args:
        region: The recovery region.
        bucket: Its control bucket.
    """

    def __init__(self, region: str, bucket: str) -> None:
        self.region, self.bucket = region, bucket

    @property
    def source(self) -> str:
        """URL of the object, for messages."""
        return f"s3://{self.bucket}/{incident_state.KEY}"

    def read(self) -> Stored:
        """Read the state.

        Raises:
            Missing: The bucket does not exist.
            Invalid: The object is not an incident state.
            Unreachable: The region does not answer.
        """
        try:
            with calls(self.source, self.region):
                answer = client("s3", self.region).get_object(Bucket=self.bucket, Key=incident_state.KEY)
                text = answer["Body"].read()
        except Missing as error:
            if "NoSuchKey" not in str(error):
                raise
            return Stored(IncidentState(), "", self._now())
        return Stored(incident_state.parse(text, self.source), answer["ETag"], _time_of(answer))

    def update(self, change: Callable[[Stored], IncidentState]) -> IncidentState:
        """Change the state, on top of whatever other writers wrote meanwhile.

        If the confirmation of a write is lost, the next attempt reads the new state, and writes nothing.

        Args:
            change: Returns the new state, and the same one if nothing is to change. It may be called several times.

        Raises:
            Failed: Other writers changed the state at each attempt, or S3 refused the write.
            Unreachable: The region does not answer.
            DrError: What `change` raises. Nothing is written.
        """
        for _ in range(ATTEMPTS):
            stored = self.read()
            wanted = change(stored)
            if wanted == stored.state:
                return wanted
            if self._write(wanted, stored.etag):
                return wanted
        remedy = "find what writes it (`dr journal`), then run the command again"
        raise Failed(Problem(self.source, f"another writer changed it {ATTEMPTS} times in a row", remedy))

    def _write(self, state: IncidentState, etag: str) -> bool:
        """Write the state; return whether the object was still the one that was read."""
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        try:
            with calls(self.source, self.region):
                client("s3", self.region).put_object(
                    Bucket=self.bucket,
                    Key=incident_state.KEY,
                    Body=state.to_json().encode(),
                    ContentType="application/json",
                    **condition,
                )
        except Conflict:
            return False
        return True

    def _now(self) -> datetime:
        with calls(self.source, self.region):
            return _time_of(client("s3", self.region).head_bucket(Bucket=self.bucket))


def _time_of(answer: Any) -> datetime:
    """Return the time of a response, by the server's clock; the local time if the response has none."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
