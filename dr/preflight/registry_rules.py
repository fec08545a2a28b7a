"""Lookup of the replication rules of the primary region's registry, which all deployments in the account share.

PutReplicationConfiguration replaces all rules of a registry. Rules of others are left alone: this deployment then sets
none, and `dr supply sync` copies to both regions.
"""

from __future__ import annotations

from typing import Any

from dr.clients import calls, client
from dr.topology.topology import Role, Topology


def filter_of(prefix: str) -> str:
    """Return the filter of this deployment's rule: the start of its repositories' names."""
    return f"{prefix}/"


def find(topology: Topology) -> tuple[bool, list[str]]:
    """Return whether this deployment may set the rules, and warnings.

    Args:
        topology: The topology to deploy.

    Raises:
        Unreachable: The region does not answer.
        Failed: ECR refused the request.
    """
    if topology.role is not Role.PRIMARY:
        return False, []
    region, own = topology.primary.region, filter_of(topology.bucket_prefix)
    with calls(f"registry of {topology.account}", region):
        registry = client("ecr", region).describe_registry()
    rules = registry.get("replicationConfiguration", {}).get("rules", [])
    if others := [rule for rule in rules if _filters(rule) != [own]]:
        return False, [
            f"registry of {region}: it has {len(others)} replication rules of others, which this deployment would "
            f"replace, so it sets none; `dr supply sync` copies to both regions\n    -> to replicate as well, add a "
            f"rule with the filter {own} to {topology.recovery.region} by hand"
        ]
    return True, []


def _filters(rule: dict[str, Any]) -> list[str]:
    return [str(each["filter"]) for each in rule.get("repositoryFilters", ())]
