"""The commands of the runbook, for tests that run them."""

from __future__ import annotations

from dr.operations.runbook import commands, render
from dr.topology.topology import Role
from tests.support.builders import topology

COMMANDS = commands(render(topology(Role.RECOVERY)))


def written(*words: str) -> tuple[str, ...]:
    """Return the arguments of a `dr` command of the runbook: exactly these words, or the only one that starts so."""
    lines = [line[1:] for line in COMMANDS if line[0] == "dr"]
    if words in lines:
        return words
    (found,) = [line for line in lines if line[: len(words)] == words]
    return found
