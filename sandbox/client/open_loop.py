"""Requests at a fixed rate."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def run(
    send: Callable[[int], None], rate: float, ended: threading.Event, longest: float, seconds: float | None = None
) -> None:
    """Call `send` with 0, 1, 2, ... at a fixed rate, each in a thread: a slow request does not delay the next one.

    Returns when all requests that were sent are complete.

    Args:
        send: Sends one request and handles all its errors.
        rate: Requests a second.
        ended: Set to send no more.
        longest: Longest duration of a request in seconds; bounds the number of threads.
        seconds: Duration of sending; None until `ended`.
    """
    start = time.monotonic()
    with ThreadPoolExecutor(max_workers=math.ceil(rate * longest) + 1) as pool:
        for number in itertools.count():
            if seconds is not None and number / rate >= seconds:
                return
            if ended.wait(max(0.0, start + number / rate - time.monotonic())):
                return
            pool.submit(send, number)
