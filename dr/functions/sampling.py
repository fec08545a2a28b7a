"""Samples within one run of a scheduled function, evenly spaced over a minute."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from dr.topology.detection import SAMPLE_SECONDS, SAMPLES


def sample_times() -> Iterator[datetime]:
    """Wait for the time of each sample, and yield it; the first one is now."""
    start = time.time()
    for number in range(SAMPLES):
        if (wait := start + number * SAMPLE_SECONDS - time.time()) > 0:
            time.sleep(wait)
        yield datetime.fromtimestamp(time.time(), UTC)
