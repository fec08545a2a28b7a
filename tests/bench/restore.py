"""Time and memory of `dr restore` by the number of objects, in a process of its own, against the emulator.

`python -m tests.bench.restore 1000 10000 100000` measures other numbers than `make bench`.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from moto.s3.models import FakeDeleteMarker, s3_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.server import Running, running
from tests.bench.measured import Measured
from tests.support.buckets import make_bucket

ROOT = Path(__file__).parents[2]
REGION, BUCKET, PREFIX = "us-east-1", f"ml-dr-{ACCOUNT}-us-east-1-datasets", "train/"
RECORDS = f"ml-dr-{ACCOUNT}-us-east-1-control"
FEW, MANY = 200, 1000
HOUR = datetime.timedelta(hours=1)
MIB = 1 << 20
SAMPLE_SECONDS = 0.02
GROWTH_MIB, SLOWER = 8.0, 1.5


@dataclass(frozen=True)
class Run:
    """A restore of deleted objects.

    Args:
        objects: Number of objects.
        plan: Seconds of a plan alone.
        seconds: Seconds of the plan and its execution.
        peak: Peak memory of the process in bytes.
    """

    objects: int
    plan: float
    seconds: float
    peak: int


def measure(objects: int) -> Run:
    """Restore objects that were all deleted, and check that they are current."""
    with running() as aws:
        for name in (BUCKET, RECORDS):
            make_bucket(aws.client("s3", REGION), name)
        _seed(objects)
        at = (datetime.datetime.now(datetime.UTC) - HOUR / 2).isoformat()
        command = [sys.executable, "-m", "dr", "restore", "--bucket", BUCKET, "--prefix", PREFIX, "--as-of", at]
        plan, _ = _run(aws, [*command, "--json"])
        seconds, peak = _run(aws, [*command, "--json", "--yes"])
        held = s3_backends[ACCOUNT][PARTITION].buckets[BUCKET].keys
        assert all(not isinstance(held[key], FakeDeleteMarker) for key in list(held))
        return Run(objects, plan, seconds, peak)


def _seed(objects: int) -> None:
    """Write objects of an hour ago, and delete them, without requests."""
    backend = s3_backends[ACCOUNT][PARTITION]
    for number in range(objects):
        key = f"{PREFIX}{number:07}"
        backend.put_object(BUCKET, key, b"row %d" % number).last_modified -= HOUR
        backend.delete_object(BUCKET, key)


def _run(aws: Running, command: list[str]) -> tuple[float, int]:
    """Return the duration and the peak memory of a command."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    variables = {**os.environ, "AWS_ENDPOINT_URL": aws.endpoint, **dict.fromkeys(names, "sandbox")}
    began = time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        # The kernel's own peak of a child begins with the memory of its parent.
        with contextlib.suppress(psutil.NoSuchProcess):
            peak = max(peak, process.memory_info().rss)
        time.sleep(SAMPLE_SECONDS)
    assert process.returncode == 0, process.returncode
    return time.perf_counter() - began, peak


def restore() -> Measured:
    """Compare few with many objects."""
    few, many = measure(FEW), measure(MANY)
    growth = (many.peak - few.peak) / MIB
    slower = (many.seconds / many.objects) / (few.seconds / few.objects)
    return Measured(
        f"restore of {MANY} deleted objects",
        f"{many.seconds:.1f} s and {many.peak / MIB:.0f} MiB; {FEW}: {few.seconds:.1f} s and {few.peak / MIB:.0f} MiB",
        f"at most {GROWTH_MIB:.0f} MiB more, and {SLOWER} times the time an object",
        growth <= GROWTH_MIB and slower <= SLOWER,
    )


if __name__ == "__main__":
    for count in map(int, sys.argv[1:]):
        done = measure(count)
        print(
            f"{done.objects:>7} objects: plan {done.plan:.1f} s, restore {done.seconds:.1f} s "
            f"({done.objects / done.seconds:.0f} a second), peak {done.peak / MIB:.1f} MiB",
            flush=True,
        )
