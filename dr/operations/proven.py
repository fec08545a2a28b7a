"""What the last drill proves now: its verdict is stale once what it proved has changed, or once it is too old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from dr.control import proofs
from dr.control.proofs import REGION_LOSS, Proof
from dr.findings import Finding, Status
from dr.operations import fingerprint
from dr.operations.fingerprint import Fingerprint
from dr.operations.scene import Scene
from dr.topology.tiers import describe_duration

NAME = "proof"
HINT = f"`dr drill {REGION_LOSS}` proves it again"


def read(scene: Scene, every: timedelta, now: datetime) -> Finding:
    """Judge the newest proof of the loss of the primary region.

    Args:
        scene: The recovery region.
        every: Age at which a proof is stale: `dr:drillEvery`.
        now: The time.

    Raises:
        Invalid: The proof is not valid.
        Unreachable: The recovery region does not answer.
    """
    found = proofs.read(scene.topology).get(REGION_LOSS)
    return judge(found, fingerprint.of(scene) if found else None, every, now)


def judge(found: Proof | None, deployed: Fingerprint | None, every: timedelta, now: datetime) -> Finding:
    """Judge a proof. Pure.

    Args:
        found: The proof; None if no drill has run.
        deployed: Fingerprint of what is deployed.
        every: Age at which a proof is stale.
        now: The time.
    """
    objective = f"{REGION_LOSS} met, with what is deployed, in the last {every.days} days"
    if found is None or deployed is None:
        return Finding(NAME, Status.UNKNOWN, "no drill has run", f"`dr drill {REGION_LOSS}`", objective)
    at = datetime.fromisoformat(found.at)
    text = f"{found.drill} {found.verdict} on {at:%Y-%m-%d %H:%M} UTC{_figures(found)}"
    if found.verdict == Status.MISSED:
        hint = f"`dr report {found.run}` shows what was missed; correct it, then `dr drill {REGION_LOSS}`"
        return Finding(NAME, Status.MISSED, text, hint, objective, found.at)
    if found.verdict != Status.MET:
        return Finding(NAME, Status.UNKNOWN, text, HINT, objective, found.at)
    reasons = list(_stale(at, deployed.changed(found.fingerprint), every, now))
    if reasons:
        return Finding(NAME, Status.STALE, f"{text}; {' and '.join(reasons)}", HINT, objective, found.at)
    return Finding(NAME, Status.MET, text, "", objective, found.at)


def _stale(at: datetime, changed: tuple[str, ...], every: timedelta, now: datetime) -> Iterator[str]:
    if changed:
        yield f"changed since then: {', '.join(name.replace('_', ' ') for name in changed)}"
    if now - at > every:
        yield f"{(now - at).days} d old"


def _figures(found: Proof) -> str:
    """Return the measured recovery time and recovery point as text."""
    values = {"RTO": found.rto_seconds, "RPO": found.rpo_seconds}
    shown = [
        f"{name} {describe_duration(timedelta(seconds=each))}" for name, each in values.items() if each is not None
    ]
    return f": {', '.join(shown)}" if shown else ""
