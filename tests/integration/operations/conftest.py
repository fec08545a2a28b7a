"""A recovery region with a simulated cluster and DNS, and what operations of it need."""

from tests.support.databases import database
from tests.support.operations import deployed, die_after, replicated, there

__all__ = ["database", "deployed", "die_after", "replicated", "there"]
