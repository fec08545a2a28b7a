"""Samples of runs for docs/cli.md: a list of them, and the report of a failover, made of its real steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from docs.generate.operation_examples import PLANS, REGION, RUN
from dr.control.journal import Entry
from dr.evidence.page import page_of
from dr.evidence.reading import Evidence
from dr.evidence.run_record import Result
from dr.evidence.runs import RunSummary

BY, REASON = "ada@laptop (process 4711)", "us-east-1 is lost"
START = datetime(2026, 11, 28, 12, 5, 10, tzinfo=UTC)
TIMES = {
    "open-incident": (0, 1),
    "engage": (1, 60),
    "choose-set": (1, 2),
    "activate": (2, 3),
    "nodes": (3, 214),
    "replicas": (3, 305),
    "workers": (3, 4),
    "validate": (305, 316),
    "admit": (316, 372),
    "confirm-dns": (372, 448),
    "hand-over": (372, 374),
}
"""Start and end of each step, in seconds."""


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _entries() -> list[Entry]:
    steps = PLANS["failover"].steps
    expected = {each.step.name: each.expected.to_dict() for each in steps}
    facts = {"operation": "failover", "steps": list(TIMES), "expected": expected, "by": BY, "reason": REASON}
    found = [Entry(_at(0), RUN, "run.started", data={**facts, "region": REGION, "tier": "pilot"})]
    for name, (start, end) in TIMES.items():
        found.append(Entry(_at(start), RUN, "step.started", name, {"was": "needed"}))
        if name == "nodes":
            found.append(Entry(_at(start + 181), RUN, "step.slow", name, {"seconds": 181.0}))
        found.append(Entry(_at(end), RUN, "step.done", name, {"seconds": float(end - start)}))
    found.append(Entry(_at(448), RUN, "run.finished", data={"operation": "failover", "seconds": {}}))
    return found


PAGE = page_of(Evidence(RUN, entries=tuple(_entries())))
RUNS = [
    RunSummary(RUN, "failover", REASON, BY, START, _at(448), Result.DONE, open=True),
    RunSummary(
        "20261103T091500Z-b4420d",
        "failback",
        "us-east-1 is healthy again",
        "grace@desk (process 902)",
        datetime(2026, 11, 3, 9, 15, tzinfo=UTC),
        datetime(2026, 11, 3, 9, 31, 12, tzinfo=UTC),
        Result.DONE,
        open=False,
    ),
]
