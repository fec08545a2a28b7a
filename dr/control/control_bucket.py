"""Reading the control bucket: the contract and the incident state.

The control bucket of each region holds both halves and the state, so either region is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dr.clients import Missing, Unreachable, read_object
from dr.control import contract, incident_state
from dr.control.contract import Half
from dr.control.incident_state import IncidentState, Levers
from dr.errors import Problem, Refused
from dr.names import CONTROL
from dr.topology.topology import Role, Topology

KEYS = (*map(contract.key_of, Role), incident_state.KEY)
"""Keys of the documents that `read_control` reads."""


@dataclass(frozen=True)
class Control:
    """The content of one region's control bucket.

    Args:
        role: Role of the region.
        region: The region.
        bucket: Name of the bucket.
        halves: The halves of the contract that exist.
        state: The incident state.
    """

    role: Role
    region: str
    bucket: str
    halves: dict[Role, Half]
    state: IncidentState


def read_half(region: str, bucket: str, role: Role) -> Half | None:
    """Return a half of the contract; None if it was never written.

    Raises:
        Invalid: The document is not valid.
        Unreachable: The region does not answer.
        Refused: The bucket does not exist.
    """
    text = read_document(region, bucket, contract.key_of(role))
    return contract.parse(text, f"s3://{bucket}/{contract.key_of(role)}") if text is not None else None


def read_own_half(topology: Topology) -> Half | None:
    """Return what this topology's stack deployed last, from its own region; None before its first deployment.

    Raises:
        Invalid: The document is not valid.
        Unreachable: The region does not answer.
    """
    try:
        return read_half(topology.here.region, topology.bucket(CONTROL, topology.role), topology.role)
    except Refused:
        return None


def read_levers(topology: Topology) -> Levers:
    """Return the levers from the recovery region; those of normal operation before its first deployment.

    A recovery region that does not answer serves no client, so the levers are then those of normal operation, too.

    Raises:
        Invalid: The incident state is not valid.
    """
    bucket = topology.bucket(CONTROL, Role.RECOVERY)
    try:
        text = read_document(topology.recovery.region, bucket, incident_state.KEY)
    except (Refused, Unreachable):
        return Levers()
    return _state(text, bucket).levers


def read_control(topology: Topology, role: Role) -> Control:
    """Return both halves and the incident state, from one region.

    Raises:
        Refused: The primary stack, which creates the control buckets, was never deployed.
        Invalid: A document is not valid.
        Unreachable: The region does not answer.
    """
    region, bucket = topology.site(role).region, topology.bucket(CONTROL, role)
    return parse_control(topology, role, {key: read_document(region, bucket, key) for key in KEYS})


def parse_control(topology: Topology, role: Role, texts: Mapping[str, bytes | None]) -> Control:
    """Return the content of a control bucket from its documents, by key; None for one that does not exist.

    Raises:
        Invalid: A document is not valid.
    """
    region, bucket = topology.site(role).region, topology.bucket(CONTROL, role)
    halves = {
        each: contract.parse(text, f"s3://{bucket}/{key}")
        for each in Role
        if (text := texts[key := contract.key_of(each)]) is not None
    }
    return Control(role, region, bucket, halves, _state(texts[incident_state.KEY], bucket))


def _state(text: bytes | None, bucket: str) -> IncidentState:
    """Return the incident state from its document; normal operation without one. Raises as `parse_control`."""
    return incident_state.parse(text, f"s3://{bucket}/{incident_state.KEY}") if text is not None else IncidentState()


def read_document(region: str, bucket: str, key: str) -> bytes | None:
    """Return a document of a control bucket; None if it does not exist.

    Raises:
        Refused: The bucket does not exist.
        Unreachable: The region does not answer.
    """
    try:
        return read_object(region, bucket, key)
    except Missing as error:
        if "NoSuchBucket" not in str(error):
            return None
        raise Refused(
            Problem(
                "the primary stack",
                f"not deployed: {region} has no control bucket {bucket}",
                "run `pulumi up -s primary`; if it is deployed, check dr:bucketPrefix, the regions and the account",
            )
        ) from error
