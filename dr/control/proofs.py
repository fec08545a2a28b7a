"""Proofs: the verdicts of drills, in the recovery region's control bucket.

A proof is bound to what was proven: code, configuration, tier and model set (`dr.operations.fingerprint`). There is one
object a run. It is never overwritten, so that the history of drills remains.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from dr.clients import Conflict, object_keys, read_object, write_once
from dr.errors import Invalid, Problem, Refused
from dr.names import CONTROL
from dr.topology.topology import Role, Topology

PREFIX = "proofs/"
REGION_LOSS = "region-loss"
"""Drill that proves the tier's objectives."""


@dataclass(frozen=True)
class Proof:
    """The verdict of a drill.

    Args:
        drill: Name of the drill.
        run: ID of the run. IDs sort by time.
        verdict: "met", "missed" or "unknown".
        tier: The deployed tier.
        at: Time of the verdict, ISO 8601.
        fingerprint: What was proven: `value` of `dr.operations.fingerprint.Fingerprint`.
        rto_seconds: Measured recovery time in seconds; None if it was not measured.
        rpo_seconds: Measured recovery point in seconds; None if it was not measured.
    """

    drill: str
    run: str
    verdict: str
    tier: str
    at: str
    fingerprint: str
    rto_seconds: float | None = None
    rpo_seconds: float | None = None

    @property
    def key(self) -> str:
        """Key in the control bucket."""
        return f"{PREFIX}{self.drill}/{self.run}.json"


def write(topology: Topology, proof: Proof) -> None:
    """Write a proof to the recovery region. A proof that is there already is kept.

    Args:
        topology: The topology of the recovery stack.
        proof: The proof.

    Raises:
        Refused: The run has another proof.
        Unreachable: The region does not answer.
    """
    region, bucket, body = *_place(topology), json.dumps(asdict(proof), indent=2).encode()
    try:
        write_once(region, bucket, proof.key, body)
    except Conflict as error:
        fact = f"run {proof.run} of {proof.drill} has another proof"
        remedy = "proofs are not overwritten: run the drill again"
        raise Refused(Problem(f"s3://{bucket}/{proof.key}", fact, remedy)) from error


def read(topology: Topology) -> dict[str, Proof]:
    """Return the newest proof of each drill, by the drill's name.

    Args:
        topology: The topology of the recovery stack.

    Raises:
        Missing: The control bucket does not exist.
        Invalid: A proof is not valid.
        Unreachable: The region does not answer.
    """
    region, bucket = _place(topology)
    keys = [key for key in object_keys(region, bucket, PREFIX) if key.count("/") == 2]
    newest = {key.split("/")[1]: key for key in sorted(keys)}
    with ThreadPoolExecutor(max_workers=max(1, len(newest))) as pool:
        found = pool.map(lambda key: parse(read_object(region, bucket, key), f"s3://{bucket}/{key}"), newest.values())
        return dict(zip(newest, found, strict=True))


def parse(text: str | bytes, source: str) -> Proof:
    """Return a proof from its JSON. Fields of a newer version are ignored.

    Raises:
        Invalid: The text is not a proof.
    """
    try:
        values = json.loads(text)
        return Proof(**{name: values[name] for name in Proof.__dataclass_fields__})
    except (ValueError, KeyError, TypeError) as error:
        fact = f"not a valid proof: {type(error).__name__}: {error}"
        raise Invalid(Problem(source, fact, "run the drill again, which writes a newer one")) from error


def _place(topology: Topology) -> tuple[str, str]:
    """Return the recovery region and its control bucket."""
    return topology.recovery.region, topology.bucket(CONTROL, Role.RECOVERY)
