"""The result of a drill as one document: `drill.json` of its evidence folder, and the output of `dr drill --json`.

Pure. The clock of a sandbox runs faster than a real one, so each duration names its clock in `modelled` or `measured`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dr.errors import Invalid, Problem

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FILE = "drill.json"
"""Name of the document in the evidence folder."""


class Verdict(StrEnum):
    """Whether a drill met its objectives."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Objectives:
    """Objectives of the tier, or of the drill.

    Args:
        rto_seconds: Recovery time objective, in seconds.
        rpo_seconds: Recovery point objective, in seconds.
    """

    rto_seconds: float
    rpo_seconds: float


@dataclass(frozen=True)
class Requests:
    """Requests of the clients.

    Args:
        sent: All requests.
        failed: Requests without an answer of the model.
        wrong: Answers that differ from the published model's.
    """

    sent: int = 0
    failed: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class LostWrite:
    """A write that the primary region acknowledged and the recovery region does not have.

    Args:
        name: Its object: "s3://bucket/key".
        acknowledged: Time of the acknowledgement, ISO 8601.
        age_seconds: Its age in seconds at the fault.
    """

    name: str
    acknowledged: str
    age_seconds: float


@dataclass(frozen=True)
class DrillStep:
    """A step of the operation that the drill ran.

    Args:
        name: Its name.
        title: Its title.
        started: Start, ISO 8601; None if it did not start.
        ended: End, ISO 8601; None if it did not end.
        outcome: "done", "unneeded", "skipped", "forced" or "failed".
        expected: `p50_seconds`, `p75_seconds`, `source` and `measured`.
        evidence: What was measured at its end.
        phase: Part of the recovery time that it belongs to.
    """

    name: str
    title: str
    started: str | None
    ended: str | None
    outcome: str
    expected: dict[str, Any]
    evidence: str
    phase: str = ""


@dataclass(frozen=True)
class Judgement:
    """One condition of the verdict.

    Args:
        name: What is judged: "rto", "rpo", "answers", "alarms".
        verdict: Met, missed or unknown.
        measured: What was measured, as text.
        objective: What it is compared with, as text.
    """

    name: str
    verdict: Verdict
    measured: str
    objective: str


@dataclass(frozen=True)
class DrillDocument:
    """The result of a drill.

    Args:
        drill: Name of the drill.
        run: ID of its run.
        verdict: Missed if one judgement is, else unknown if one is.
        tier: Deployed tier of the recovery region.
        fingerprint: Hash of code, configuration, tier and model set.
        started: Start of the drill, ISO 8601.
        ended: Its end, ISO 8601.
        fault: What was injected, as text.
        fault_at: Time of the fault, ISO 8601, by the client's clock.
        rto_seconds: Seconds from the fault to the first good answer of a sustained run; None without one.
        rto_error_seconds: Largest error of `rto_seconds`, in seconds; None without one.
        rpo_seconds: Age in seconds, at the fault, of the oldest acknowledged write that was lost; 0 if none was lost;
            None if it was not measured.
        objectives: Objectives of the tier; None if the drill measures neither.
        requests: Requests of the clients.
        judgements: Conditions of the verdict.
        lost_writes: Every acknowledged write that was lost.
        phases: Seconds of the recovery time by phase: detect, decide, capacity, data, DNS, verify.
        steps: Steps of the operation.
        modelled: Names of figures by the environment's clock.
        measured: Names of figures by the machine's clock.
        versions: Versions of what ran, by name.
        problems: Errors of the drill itself, as text.
        region: The recovery region; "" in documents of before this field.
    """

    drill: str
    run: str
    verdict: Verdict
    tier: str
    fingerprint: str
    started: str
    ended: str
    fault: str
    fault_at: str
    rto_seconds: float | None
    rto_error_seconds: float | None
    rpo_seconds: float | None
    objectives: Objectives | None
    requests: Requests = Requests()
    judgements: tuple[Judgement, ...] = ()
    lost_writes: tuple[LostWrite, ...] = ()
    phases: dict[str, float] = field(default_factory=dict)
    steps: tuple[DrillStep, ...] = ()
    modelled: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    region: str = ""

    def to_json(self) -> str:
        """Return the document as stored."""
        return str(_adapter().dump_json(self, indent=2).decode())


def overall(judgements: tuple[Judgement, ...]) -> Verdict:
    """Return the verdict of all judgements: unknown without any."""
    found = {each.verdict for each in judgements} or {Verdict.UNKNOWN}
    return next(each for each in (Verdict.MISSED, Verdict.UNKNOWN, Verdict.MET) if each in found)


def parse(text: str | bytes, source: str) -> DrillDocument:
    """Return the document from its JSON.

    Args:
        text: The JSON.
        source: Where it was read, for the error.

    Raises:
        Invalid: The text is not such a document.
    """
    from pydantic import ValidationError

    try:
        found: DrillDocument = _adapter().validate_json(text)
    except ValidationError as error:
        facts = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3])
        raise Invalid(Problem(source, f"not the document of a drill: {facts}", "run the drill again")) from error
    return found


def read(folder: Path) -> DrillDocument:
    """Return the document of an evidence folder. Raises as `parse`; OSError if the file does not exist."""
    return parse((folder / FILE).read_bytes(), str(folder / FILE))


@functools.cache
def _adapter() -> TypeAdapter[Any]:
    # Imported here: commands that read no document do not wait for pydantic.
    from pydantic import TypeAdapter

    return TypeAdapter(DrillDocument)
