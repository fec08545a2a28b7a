"""Both stacks, deployed once for the tests of what is deployed and how it changes."""

from tests.support.deployment import deployed, deployment, inside

__all__ = ["deployed", "deployment", "inside"]
