"""The sandbox's clock as another process reads it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from sandbox.client.clock import SandboxClock
from sandbox.server import Running
from sandbox.server_process import Server
from tests.support.waiting import wait_for


def test_clock_follows_what_is_added_to_the_sandboxs_clock(aws: Running, control: Callable[..., Any]) -> None:
    clock = SandboxClock(Server(os.getpid(), aws.endpoint, "", ""))
    assert clock.time() - time.time() < 60
    with clock.followed():
        control("POST", "clock", {"advance": 600})
        wait_for(lambda: clock.time() - time.time() > 599)
        now = clock.now()

    assert abs(now.timestamp() - clock.time()) < 60


def test_clock_follows_the_sandboxs_speed(aws: Running, control: Callable[..., Any]) -> None:
    clock = SandboxClock(Server(os.getpid(), aws.endpoint, "", ""))
    with clock.followed():
        control("POST", "clock", {"speed": 30})
        wait_for(lambda: clock.time() - time.time() > 30)
        control("POST", "clock", {"speed": 1})
        wait_for(lambda: clock._pace[2] == 1)

    assert abs(clock.time() - time.time() - control("GET", "clock")["ahead"]) < 0.5


def test_clock_keeps_the_last_value_while_the_emulator_does_not_answer(
    aws: Running, control: Callable[..., Any]
) -> None:
    control("POST", "clock", {"advance": 600})
    clock = SandboxClock(Server(os.getpid(), aws.endpoint, "", ""))
    clock._server = Server(os.getpid(), "http://127.0.0.1:9", "", "")
    with clock.followed():
        time.sleep(0.5)

    assert clock.time() - time.time() > 599
