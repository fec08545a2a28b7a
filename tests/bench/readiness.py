"""Readiness checks at the same time, compared with one after the other, and the memory of many checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from statistics import median

import psutil

from dr.findings import Finding, Status
from dr.operations import check_runner
from dr.operations.check_runner import WORKERS, Check
from tests.bench.measured import Measured

CHECKS, PAIRS = 500, 3
CALL_SECONDS = 0.02
"""Duration of one check: a call of an API in the same region."""
FASTER = 8
LIMIT_SECONDS = 600.0
FINDING_BYTES = 1024
MIB = 1 << 20


def _check(subject: str) -> Iterator[Finding]:
    time.sleep(CALL_SECONDS)
    yield Finding("check", Status.MET, "measured")


def _seconds(workers: int, checks: int = CHECKS) -> float:
    began = time.perf_counter()
    found = check_runner.run([Check("check", _check)] * checks, "subject", LIMIT_SECONDS, workers)
    assert len(found) == checks
    return time.perf_counter() - began


def speedup() -> Measured:
    """Compare checks that run together with one after the other, in pairs."""
    pairs = [(_seconds(1), _seconds(WORKERS)) for _ in range(PAIRS)]
    ratios = [alone / together for alone, together in pairs]
    alone, together = (median(each) for each in zip(*pairs, strict=True))
    return Measured(
        f"{CHECKS} readiness checks",
        f"{alone:.1f} s one after the other, {together:.2f} s together: {median(ratios):.1f} times faster "
        f"({min(ratios):.1f} to {max(ratios):.1f}, {PAIRS} pairs)",
        f"at least {FASTER} times",
        median(ratios) >= FASTER,
    )


def memory() -> Measured:
    """Measure memory and threads of few and of many checks."""
    (few, _), (many, threads) = _peak(CHECKS), _peak(10 * CHECKS)
    each = (many - few) / (9 * CHECKS)
    return Measured(
        f"memory of {10 * CHECKS} checks",
        f"{many / MIB:.1f} MiB, {few / MIB:.1f} MiB for {CHECKS}: {each:.0f} bytes a check; {threads} threads",
        f"the finding of a check, at most {FINDING_BYTES} bytes, and {WORKERS} threads",
        each <= FINDING_BYTES and threads <= WORKERS,
    )


def _peak(checks: int) -> tuple[float, int]:
    """Return by how many bytes the memory of this process grew, and the number of threads, while checks ran."""
    process, ended = psutil.Process(), threading.Event()
    before, threads_before = process.memory_info().rss, threading.active_count() + 1
    sampled: list[tuple[int, int]] = []

    def sample() -> None:
        while not ended.wait(CALL_SECONDS / 4):
            sampled.append((process.memory_info().rss, threading.active_count()))

    watcher = threading.Thread(target=sample)
    watcher.start()
    _seconds(WORKERS, checks)
    ended.set()
    watcher.join()
    return max(rss for rss, _ in sampled) - before, max(count for _, count in sampled) - threads_before
