"""The runbook against the steps and guards of the operations; tests/integration/incidents/test_runbook.py runs it."""

from __future__ import annotations

import pytest

from dr.operations.operation import OPERATIONS, Operation
from dr.operations.runbook import commands, render
from dr.topology.topology import Role
from tests.support.builders import topology

TEXT = render(topology(Role.RECOVERY))


def section(operation: Operation) -> str:
    """Return the part of the runbook that describes an operation."""
    _, _, rest = TEXT.partition(f"before the first change of `dr {operation.name}`")
    return rest.partition("\n## ")[0]


def test_both_stacks_have_the_same_runbook() -> None:
    assert render(topology(Role.PRIMARY)) == TEXT


def test_a_changed_tier_leaves_the_runbook_unchanged() -> None:
    assert render(topology(Role.RECOVERY, tier="warm")) == render(topology(Role.RECOVERY, tier="pilot"))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda each: each.name)
def test_the_runbook_has_every_step_with_its_look_and_what_skipping_means(operation: Operation) -> None:
    text = section(operation)

    for number, step in enumerate(operation.steps(), 1):
        assert f"{number}. `{step.name}`: {step.title}." in text
        assert step.slow in text
        assert step.without in text


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda each: each.name)
def test_the_runbook_has_every_guard_with_what_accepts_it(operation: Operation) -> None:
    text = section(operation)

    for guard in operation.guards:
        assert guard.title
        assert f"| `{guard.name}` | {guard.title} |" in text
        assert (f"`--accept {guard.name}`" in text) is guard.acceptable
    assert ("`--accept-data-loss SECONDS`" in text) is (operation.name == "failover")


def test_commands_of_a_runbook_are_those_of_its_blocks_and_of_its_sentences() -> None:
    assert commands('Use `dr status`, not `status`.\n\n```sh\ndr pause --reason "a b"\ndr status\n```\n') == [
        ("dr", "pause", "--reason", "a b"),
        ("dr", "status"),
    ]
