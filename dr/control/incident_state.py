"""The state of the day: `control/state.json` in the recovery region's control bucket.

What is configured is in the stacks; what was done by hand in an incident is here: which levers are pulled, how much of
the recovery region was brought up, which incident is open, who holds the lease. The document that is missing means an
ordinary day. `pulumi up` reads it, so that it never shrinks what serves.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from dr.errors import Invalid, Problem
from dr.topology.tiers import Tier

VERSION = 1
KEY = "control/state.json"


@dataclass(frozen=True)
class Levers:
    """The two levers.

    Args:
        engaged: The primary record is closed.
        admitted: The recovery record may open.
    """

    engaged: bool = False
    admitted: bool = False


@dataclass(frozen=True)
class Incident:
    """An open incident.

    Args:
        id: Its name, used as a tag on what is made for it.
        opened: When, ISO 8601.
        reason: Why, in a person's words.
    """

    id: str
    opened: str
    reason: str


@dataclass(frozen=True)
class Lease:
    """Who may operate now.

    Args:
        holder: A person and machine.
        expires: When the lease ends by itself, ISO 8601.
    """

    holder: str
    expires: str


@dataclass(frozen=True)
class DayState:
    """All of it. The default is an ordinary day."""

    levers: Levers = Levers()
    activation: Tier | None = None
    incident: Incident | None = None
    lease: Lease | None = None
    version: int = VERSION

    def to_json(self) -> str:
        """The document as it is stored."""
        values = asdict(self)
        values["activation"] = self.activation.value if self.activation else None
        return json.dumps(values, indent=2)


def parse(text: str | bytes, source: str) -> DayState:
    """The state from its JSON.

    Raises:
        Invalid: it is not a state document, or of a version this program does not know. It is never taken for an
            ordinary day: that could shrink what serves.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        if values["version"] > VERSION:
            raise Invalid(
                Problem(
                    source,
                    f"the state is of version {values['version']}; this program reads {VERSION}",
                    "update this checkout to the one that operated last (`git pull`), then run the command again",
                )
            )
        return DayState(
            levers=Levers(**values["levers"]),
            activation=Tier(values["activation"]) if values["activation"] else None,
            incident=Incident(**values["incident"]) if values["incident"] else None,
            lease=Lease(**values["lease"]) if values["lease"] else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            Problem(
                source,
                f"this is no state document: {type(error).__name__}: {error}",
                "read the bucket's older versions of it and put the last good one back; without it nothing is changed",
            )
        ) from error
