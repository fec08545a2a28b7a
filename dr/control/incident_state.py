"""The incident state: `control/state.json` in the recovery region's control bucket.

Stacks hold the configuration. The incident state holds what operators did during an incident: levers that are set, the
tier to which the recovery region was raised, the open incident, and the operator's lease. Without the document, the
state is normal operation. `pulumi up` reads it, so that it never scales down a region that serves.
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
        engaged: Whether the primary record is closed.
        admitted: Whether the recovery record may open.
    """

    engaged: bool = False
    admitted: bool = False


@dataclass(frozen=True)
class Incident:
    """An open incident.

    id: Its ID, the ID of the run that opened it, used as a tag on resources created for it.
    opened: Time of opening, ISO 8601.
    reason: Reason, written by the operator.
    operation: Operation that opened it: "failover", "switchover" or "prepare".
    """

    id: str
    opened: str
    reason: str
    operation: str = "failover"


@dataclass(frozen=True)
class Lease:
    """The operator's exclusive right to operate (`dr.control.lease`).

    Args:
        holder: User, machine and process; "" once it is released.
        expires: Time at which it expires, ISO 8601, by the clock of S3.
        generation: Number of the lease, increased whenever it changes hands.
        run: ID of the run.
    """

    holder: str
    expires: str
    generation: int = 0
    run: str = ""


@dataclass(frozen=True)
class Automation:
    """Whether anything but an operator may start a failover.

    Args:
        armed: Whether automation may start. A failover disarms it, and only failback arms it again.
        paused: Reason of the operator who switched it off; "" while it is on.
    """

    armed: bool = True
    paused: str = ""


@dataclass(frozen=True)
class IncidentState:
    """The incident state; the default is normal operation.

    Args:
        levers: The levers.
        activation: Tier to which the recovery region was raised; None if it was not.
        incident: The open incident; None in normal operation.
        lease: The last lease; None before the first one.
        automation: Whether automation may act.
        version: Version of the document.
    """

    levers: Levers = Levers()
    activation: Tier | None = None
    incident: Incident | None = None
    lease: Lease | None = None
    automation: Automation = Automation()
    version: int = VERSION

    @property
    def replicas_written(self) -> bool:
        """Whether applications may write to the recovery region's data: it is then more than a replica."""
        return self.incident is not None or self.activation is not None or self.levers.engaged

    def to_json(self) -> str:
        """Return the document as stored."""
        values = asdict(self)
        values["activation"] = self.activation.value if self.activation else None
        return json.dumps(values, indent=2)


def parse(text: str | bytes, source: str) -> IncidentState:
    """Return the incident state from its JSON.

    Raises:
        Invalid: The text is not a state document, or has a newer version. It is never treated as normal operation,
            which could scale down a region that serves.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        if values["version"] > VERSION:
            raise Invalid(
                Problem(
                    source,
                    f"the state has version {values['version']}; this program reads {VERSION}",
                    "update this checkout to the one that operated last (`git pull`), then run the command again",
                )
            )
        return IncidentState(
            levers=Levers(**values["levers"]),
            activation=Tier(values["activation"]) if values["activation"] else None,
            incident=Incident(**values["incident"]) if values["incident"] else None,
            lease=Lease(**values["lease"]) if values["lease"] else None,
            automation=Automation(**values.get("automation", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            Problem(
                source,
                f"not a valid incident state: {type(error).__name__}: {error}",
                "restore the last valid version of the object in the bucket; until then nothing is changed",
            )
        ) from error
