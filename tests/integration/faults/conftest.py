"""Both stacks, deployed once for the tests of faults."""

from tests.support.deployment import deployed, deployment, inside

__all__ = ["deployed", "deployment", "inside"]
