"""Tags of all resources."""

from __future__ import annotations

from dr.topology.topology import Topology

BACKUP_TAG = {"backup": "enabled"}
"""Tag by which backup plans select resources; on every resource that holds state, except replicas."""
REPLICA_TAG = {"backup": "replica"}
"""Tag of replicas: they are backed up only while applications write to them, since their source is backed up."""


def tags_of(topology: Topology) -> dict[str, str]:
    """Return the tags of every resource of a stack.

    The tier is not a tag, so that a change of tier does not change every resource.
    """
    return {**topology.tags, "project": "ml-dr", "workload": topology.bucket_prefix, "role": str(topology.role)}
