"""Work on a stream of items in parallel, with a bounded number of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WAITING = 4
"""Items that wait for each worker, so that none is idle while the next page is listed."""


def each(items: Iterable[T], work: Callable[[T], R], workers: int) -> Iterator[R]:
    """Yield the results of a function for each item, in the order in which they end.

    Args:
        items: The items; read as workers become free.
        work: The function. What it raises ends the iteration, after running calls have ended.
        workers: Calls at a time.
    """
    running = set[Future[R]]()
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        for item in items:
            running.add(pool.submit(work, item))
            if len(running) >= workers * WAITING:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(cancel_futures=True)
