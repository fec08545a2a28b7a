"""The return to normal operation, as an operator does it."""

from __future__ import annotations

from collections.abc import Sequence

from dr.operations import clients_dns
from tests.support.dr_command import dr
from tests.support.network import EAST, WEST, load_balancer
from tests.support.runbook import written
from tests.support.sandbox import STACKS, SandboxUnderTest
from tests.support.waiting import wait_for

NAME = "inference.ml.example.com"


def fail_back_without_a_change(sandbox: SandboxUnderTest, updated: Sequence[str] = ()) -> None:
    """End all faults, fail back, and check that DNS leads to the primary region and no update shows a change.

    Args:
        sandbox: The sandbox.
        updated: Stacks that were deployed during the incident: the next update returns them to normal operation.
    """
    sandbox.repair()
    sandbox.advance(5)
    with sandbox.time_passes():
        code, back = dr(sandbox, *written("failback", "--yes"))
    assert code == 0, back
    assert clients_dns.ask(NAME).names[-1:] == load_balancer(sandbox, EAST)
    sandbox.advance(5)
    wait_for(
        lambda: all(len(set(sandbox.gpu_nodes(region))) == 1 for region in (EAST, WEST)),
        "each region with its minimum of GPU nodes",
    )
    for stack in updated:
        with sandbox.time_passes():
            sandbox.engine.up(stack)
    for stack in STACKS:
        changes = sandbox.engine.up(stack)
        assert changes.none, (stack, changes.changed)
