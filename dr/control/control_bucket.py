"""Reading the control bucket: what was deployed, and what the day is like.

Either region's control bucket holds everything, so all of this works from the region that lives.
"""

from __future__ import annotations

from dataclasses import dataclass

from dr.clients import Missing, read_object
from dr.control import contract, incident_state
from dr.control.contract import Half
from dr.control.incident_state import DayState
from dr.errors import Problem, Refused
from dr.names import CONTROL
from dr.topology.topology import Role, Topology


@dataclass(frozen=True)
class Control:
    """What one region's control bucket says.

    Args:
        role: Whose region it is.
        region: The region that was asked.
        bucket: The bucket's name.
        halves: The halves of the contract that are there.
        day: The state of the day.
    """

    role: Role
    region: str
    bucket: str
    halves: dict[Role, Half]
    day: DayState


def read_half(region: str, bucket: str, role: Role) -> Half | None:
    """A half of the contract, or None when it was never written.

    Raises:
        Invalid: it cannot be understood.
        Unreachable: the region does not answer.
        Refused: there is no such bucket.
    """
    text = _read(region, bucket, contract.key_of(role))
    return contract.parse(text, f"s3://{bucket}/{contract.key_of(role)}") if text is not None else None


def read_own_half(topology: Topology) -> Half | None:
    """What this topology's stack deployed last, from its own region; None before its first deployment.

    Raises:
        Invalid: it cannot be understood.
        Unreachable: the region does not answer.
    """
    try:
        return read_half(topology.here.region, topology.bucket(CONTROL, topology.role), topology.role)
    except Refused:
        return None


def read_control(topology: Topology, role: Role) -> Control:
    """Both halves and the state of the day, from one region.

    Raises:
        Refused: the primary stack, which makes the control buckets, was never deployed.
        Invalid: a document cannot be understood.
        Unreachable: the region does not answer.
    """
    region, bucket = topology.site(role).region, topology.bucket(CONTROL, role)
    halves = {each: half for each in Role if (half := read_half(region, bucket, each))}
    text = _read(region, bucket, incident_state.KEY)
    day = incident_state.parse(text, f"s3://{bucket}/{incident_state.KEY}") if text is not None else DayState()
    return Control(role, region, bucket, halves, day)


def _read(region: str, bucket: str, key: str) -> bytes | None:
    try:
        return read_object(region, bucket, key)
    except Missing as error:
        if "NoSuchBucket" not in str(error):
            return None
        raise Refused(
            Problem(
                "the primary stack",
                f"it is not deployed: {region} has no control bucket {bucket}",
                "`pulumi up -s primary` first; if it is deployed, compare dr:bucketPrefix, the regions and the account",
            )
        ) from error
