"""A compliant evidence folder of a drill, of which tests break one thing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dr.control.journal import Entry
from dr.drills import document
from dr.drills.document import DrillDocument, DrillStep, Judgement, Objectives, Requests, Verdict
from dr.evidence import folder as evidence_folder
from dr.operations.client_log import Request
from dr.operations.measurements import Alarm
from dr.operations.operation import FAILOVER
from dr.operations.steps import modelled

RUN = "20261128T120510Z-6f1c2a"
PRIMARY, RECOVERY = "us-east-1", "us-west-2"
FAULT = datetime(2026, 11, 28, 12, 5, 40, tzinfo=UTC)
BY, REASON = "ada@laptop (process 4711)", "drill region-loss"
RATE = 5
"""Requests a second."""
OUTAGE = 62.0
"""Seconds from the fault to the first good answer."""
BUCKET = "ml-dr-123456789012-us-east-1-models"
TIMES: dict[str, tuple[float, float]] = {
    "open-incident": (18.2, 18.9),
    "engage": (18.9, 31.0),
    "choose-set": (18.9, 19.6),
    "activate": (19.6, 20.4),
    "nodes": (20.4, 38.9),
    "replicas": (20.4, 44.2),
    "workers": (20.4, 20.6),
    "validate": (44.2, 54.6),
    "admit": (54.6, 59.1),
    "confirm-dns": (59.1, 66.8),
    "hand-over": (59.1, 61.0),
}
"""Start and end of each step, in seconds after the fault; the configuration has no database."""


def at(seconds: float) -> datetime:
    """Return a time in seconds after the fault."""
    return FAULT + timedelta(seconds=seconds)


def iso(seconds: float) -> str:
    """Return the same as text."""
    return at(seconds).isoformat(timespec="milliseconds")


def drill_document(**changes: Any) -> DrillDocument:
    """Return the document of a drill that met every objective."""
    steps = tuple(
        DrillStep(
            step.name,
            step.title,
            iso(TIMES[step.name][0]),
            iso(TIMES[step.name][1]),
            "done",
            modelled(step).to_dict(),
            f"{step.name} is confirmed",
            step.phase.value,
        )
        for step in FAILOVER.steps()
        if step.name in TIMES
    )
    made = DrillDocument(
        drill="region-loss",
        run=RUN,
        verdict=Verdict.MET,
        tier="warm",
        fingerprint="91b5c0de77aa-0c1d2e3f4a5b-8f8f8f8f8f8f-6a6b6c6d6e6f",
        started=iso(-30),
        ended=iso(110),
        fault="us-east-1 and the global control planes do not answer",
        fault_at=iso(0),
        rto_seconds=OUTAGE,
        rto_error_seconds=0.2,
        rpo_seconds=0.0,
        objectives=Objectives(1200.0, 3600.0),
        requests=Requests(700, 310, 0),
        judgements=(
            Judgement("rto", Verdict.MET, "62 s, error at most 0.2 s", "20 min"),
            Judgement("rpo", Verdict.MET, "0 s, no write lost", "1 h"),
            Judgement("answers", Verdict.MET, "390 of 390 answers are right", "every answer is right"),
            Judgement("alarms", Verdict.MET, "18 of 18 are OK for 30 s", "OK again, and staying so"),
        ),
        phases={"detect": 18.2, "decide": 0.7, "capacity": 24.6, "data": 0.7, "verify": 10.4, "DNS": 7.4},
        steps=steps,
        measured=("rto", "rpo", "phases", "steps"),
        versions={"dr": "0.1.0", "model set": "20261128T090310.112233Z-61832178"},
    )
    return replace(made, **changes)


def journal(**changes: Sequence[Entry]) -> list[Entry]:
    """Return the journal of the drill's failover.

    Args:
        changes: Entries in place of those of a step, by its name with "_" for "-".
    """
    steps = [step for step in FAILOVER.steps() if step.name in TIMES]
    expected = {step.name: modelled(step).to_dict() for step in steps}
    facts = {"operation": "failover", "region": RECOVERY, "tier": "warm", "by": BY, "reason": REASON}
    names = [step.name for step in steps]
    started = Entry(at(18.1), RUN, "run.started", data={**facts, "steps": names, "expected": expected})
    entries: list[Entry] = []
    for name, (start, end) in TIMES.items():
        done = {"detail": f"{name} is confirmed", "seconds": round(end - start, 3)}
        entries += changes.get(
            name.replace("-", "_"),
            [
                Entry(at(start + 0.1), RUN, "step.started", name, {"was": "needed", "detail": f"{name} is needed"}),
                Entry(at(end), RUN, "step.done", name, done),
            ],
        )
    finished = Entry(at(66.9), RUN, "run.finished", data={"operation": "failover", "seconds": {"nodes": 18.5}})
    return [started, *sorted(entries, key=lambda each: each.at), finished]


def requests() -> list[Request]:
    """Return the requests of the clients: good before the fault and after the outage."""
    made = []
    for number in range(int(140 * RATE)):
        seconds = number / RATE - 30
        good = seconds < 0 or seconds >= OUTAGE
        region = PRIMARY if seconds < 0 else RECOVERY
        latency = 0.03 + 0.01 * (number % 7) + (0.12 if OUTAGE <= seconds < OUTAGE + 8 else 0)
        made.append(
            Request(
                number=number,
                sent=at(seconds),
                sent_modelled=at(seconds),
                resolver=number % 3,
                address="198.18.0.1",
                region=region,
                status=200 if good else None,
                seconds=latency if good else 2.0,
                seconds_modelled=latency if good else 2.0,
                version="v1" if good else "",
                right=True if good else None,
                error="" if good else "ConnectTimeoutError",
            )
        )
    return made


def write_line(number: int, survived: bool | None = True) -> str:
    """Return a line of writes.jsonl: a write a second, until the fault."""
    name = f"s3://{BUCKET}/drill/{RUN}/{number:06}"
    return json.dumps({"name": name, "acknowledged": iso(number - 30), "survived": survived}) + "\n"


def alarm(name: str, state: str = "OK", seconds: float = -3600.0) -> Alarm:
    """Return an alarm of the recovery region."""
    return Alarm(f"ml-dr-{name}", RECOVERY, state, at(seconds), f"what {name} means")


ALARMS = tuple(alarm(name) for name in ("region-impaired", "sentinel-late", "copies-late", "endpoint-down"))


def write_example(root: Path) -> Path:
    """Write the evidence folder of a drill that met every objective, and return it."""
    folder = root / RUN
    evidence_folder.write(folder, document.FILE, drill_document().to_json())
    evidence_folder.write_journal(folder, journal())
    evidence_folder.write(folder, "requests.jsonl", "".join(each.line() for each in requests()))
    evidence_folder.write(folder, "writes.jsonl", "".join(write_line(number) for number in range(30)))
    evidence_folder.write_alarms(folder, ALARMS, ALARMS)
    evidence_folder.write_versions(folder, {"python": "3.12.3", "kubernetes": "1.37"})
    return folder
