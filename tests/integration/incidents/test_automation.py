"""Automation on a whole sandbox: us-east-1 and the global control planes are lost, and two schedulers start it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dr.operations import clients_dns
from tests.support.dr_command import dr
from tests.support.failback import NAME, fail_back_without_a_change
from tests.support.network import EAST, WEST, load_balancer
from tests.support.sandbox import SandboxUnderTest

pytestmark = pytest.mark.engine


def test_two_starts_after_the_loss_of_a_region_fail_over_once_and_failback_arms_again(
    inside: SandboxUnderTest, everything: bool
) -> None:
    if not everything:
        pytest.skip("tests/integration/test_operations.py tests automation, too; with --all")
    sandbox = inside
    with sandbox.configured("dr", automation="automatic"):
        sandbox.advance(3)
        code, found = dr(sandbox, "automate", "--yes")
        assert (code, found["action"]) == (0, "nothing"), found
        assert found["reasons"][0].startswith("fewer than 2 signals see the primary region lost")

        sandbox.lose(EAST)
        sandbox.advance(5)
        with sandbox.time_passes(), ThreadPoolExecutor(max_workers=2) as pool:
            ended = list(pool.map(lambda _: dr(sandbox, "automate", "--yes"), range(2)))
        (done,) = [found for code, found in ended if code == 0 and found["done"]]
        assert done["reasons"][0].startswith("primary-silent: lost")
        assert clients_dns.ask(NAME).names[-1:] == load_balancer(sandbox, WEST)
        code, runs = dr(sandbox, "incidents")
        assert [each["run"] for each in runs if each["open"]] == [done["run"]]

        fail_back_without_a_change(sandbox)
