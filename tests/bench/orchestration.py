"""What orchestration adds to the critical path of a failover: scheduling, checks, and the journal in the bucket."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from unittest import mock

from dr import clients
from dr.control.journal import LocalJournal
from dr.control.shared_journal import SharedJournal
from dr.operations.operation import FAILOVER
from dr.operations.scene import Scene
from dr.operations.step_runner import StepRunner
from dr.operations.steps import Report, State, Step, Verdict, critical_path
from sandbox.server import running
from tests.bench.measured import Measured

RUNS = 3
SHORTER = 20
"""The steps take their modelled durations, divided by this."""
ADDED = 0.05
REGION, BUCKET = "us-west-2", "bench-control"


class _Done(set[str]):
    """Names of the steps that are done."""


def _acting(step: Step[Scene]) -> Step[_Done]:
    """Return a step of the same name, order and duration, which acts by waiting."""
    seconds = step.expected.total_seconds() / SHORTER

    def evaluate(done: _Done) -> Verdict:
        return Verdict(State.DONE if step.name in done else State.NEEDED)

    def act(done: _Done, report: Report) -> None:
        time.sleep(seconds)
        done.add(step.name)

    return Step(step.name, step.title, evaluate, act, after=step.after)


@contextmanager
def _journal() -> Iterator[SharedJournal]:
    """A journal in an emulated bucket, over HTTP, and on disk."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    with tempfile.TemporaryDirectory() as folder, running() as aws:
        variables = {"AWS_ENDPOINT_URL": aws.endpoint, **dict.fromkeys(names, "sandbox")}
        with mock.patch.dict(os.environ, variables):
            clients.forget()
            aws.client("s3", REGION).create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            yield SharedJournal(REGION, BUCKET, LocalJournal(Path(folder) / "journal.jsonl"))
    clients.forget()


def overhead() -> Measured:
    """Run the steps of a failover, and compare with the longest chain of their durations."""
    steps = [_acting(step) for step in FAILOVER.steps()]
    durations = {step.name: step.expected / SHORTER for step in FAILOVER.steps()}
    _, path = critical_path(FAILOVER.steps(), durations)
    with _journal() as journal:
        took = [_seconds(journal, steps) for _ in range(RUNS + 1)][1:]  # the first one makes the connections
    shares = [seconds / path.total_seconds() - 1 for seconds in took]
    return Measured(
        f"orchestration of {len(steps)} steps",
        f"{median(took):.2f} s for a critical path of {path.total_seconds():.2f} s: {median(shares):.1%} more "
        f"({min(shares):.1%} to {max(shares):.1%}, {RUNS} runs, durations of a failover divided by {SHORTER})",
        f"at most {ADDED:.0%} more",
        median(shares) <= ADDED,
    )


def _seconds(journal: SharedJournal, steps: list[Step[_Done]]) -> float:
    runner = StepRunner[_Done](journal)
    began = time.perf_counter()
    runner.execute("bench", steps, _Done())
    return time.perf_counter() - began
