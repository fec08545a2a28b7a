"""Parallel work on a stream."""

import threading
from collections.abc import Iterator

import pytest

from dr.data import parallel


def test_every_result_is_returned_and_few_items_are_read_ahead() -> None:
    read, done = 0, 0

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(1000):
            read += 1
            assert read - done <= 2 * parallel.WAITING + 1
            yield number

    results = set()
    for result in parallel.each(items(), lambda number: number * 2, workers=2):
        done += 1
        results.add(result)

    assert results == {2 * number for number in range(1000)}


def test_error_ends_the_work_after_running_calls_have_ended() -> None:
    ended, started = threading.Event(), threading.Event()

    def work(number: int) -> None:
        if number == 0:
            started.wait()
            raise ValueError("broken")
        started.set()
        ended.set()

    with pytest.raises(ValueError, match="broken"):
        list(parallel.each(range(2), work, workers=2))

    assert ended.is_set()
