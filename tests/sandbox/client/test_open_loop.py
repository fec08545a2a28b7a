"""Requests at a fixed rate."""

from __future__ import annotations

import threading

from sandbox.client import open_loop
from tests.support.waiting import PATIENCE_SECONDS


def test_requests_are_sent_for_the_duration_in_order() -> None:
    sent: list[int] = []
    open_loop.run(sent.append, rate=100, ended=threading.Event(), longest=1, seconds=0.2)

    assert sorted(sent) == list(range(20))


def test_request_without_an_answer_does_not_delay_the_next_ones() -> None:
    answered, ended = threading.Event(), threading.Event()
    sent: list[int] = []

    def send(number: int) -> None:
        sent.append(number)
        if number == 0:
            assert answered.wait(PATIENCE_SECONDS)
        if number == 5:
            answered.set()
            ended.set()

    open_loop.run(send, rate=50, ended=ended, longest=1)

    assert set(range(6)) <= set(sent)


def test_end_waits_for_requests_in_flight() -> None:
    ended, complete = threading.Event(), list[int]()

    def send(number: int) -> None:
        ended.set()
        threading.Event().wait(0.2)
        complete.append(number)

    open_loop.run(send, rate=1, ended=ended, longest=1)

    assert complete == [0]
