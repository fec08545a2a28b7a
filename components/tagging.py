"""The one maker of tags."""

from __future__ import annotations

from dr.topology.topology import Topology

BACKUP_TAG = {"backup": "enabled"}
"""What backup plans select by: every resource that holds state carries it."""


def tags_of(topology: Topology) -> dict[str, str]:
    """Tags of every resource a stack makes.

    The tier is not among them: it changes in place, and would change every tag with it.
    """
    return {**topology.tags, "project": "ml-dr", "workload": topology.bucket_prefix, "role": str(topology.role)}
