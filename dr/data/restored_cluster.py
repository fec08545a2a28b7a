"""A database cluster that AWS Backup restored from a copy: what is wrong with it. Pure.

It has no instance (RDS API reference, RestoreDBClusterFromSnapshot), so its rows cannot be read.
"""

from __future__ import annotations

from dr.data.global_database import AVAILABLE, Cluster


def faults(found: Cluster | None, version: str = "") -> list[str]:
    """Return what is wrong with a restored cluster.

    Args:
        found: The cluster; None if it does not exist.
        version: Version of the engine that it has to have; "" for any.
    """
    if found is None:
        return ["it does not exist"]
    wrong = []
    if found.status != AVAILABLE:
        wrong.append(f"its status is {found.status}, not {AVAILABLE}")
    if not found.key:
        wrong.append("it is not encrypted")
    if version and found.engine_version != version:
        wrong.append(f"its engine is {found.engine_version or 'unknown'}, not {version}")
    return wrong


def describe(found: Cluster) -> str:
    """Return what was restored, as text."""
    return f"Aurora PostgreSQL {found.engine_version}, encrypted, {found.status}; its rows were not read"
