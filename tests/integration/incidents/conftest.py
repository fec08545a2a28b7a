"""Both stacks, deployed once for the tests of operations: checks, drills, failovers and failbacks."""

from tests.support.deployment import deployed, deployment, inside

__all__ = ["deployed", "deployment", "inside"]
