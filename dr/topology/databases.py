"""The global database of the model registry: size, version, retention and objective. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from dr.topology.tiers import Replica, Tier

ENGINE, PORT = "aurora-postgresql", 5432
NAME = "mlflow"
"""Name of the database and of its master user."""
MOST_INSTANCES = 15
"""Writer and readers of a primary cluster with one secondary region: 1 + 15 - 1 (Aurora user guide, "Configuration
requirements of an Amazon Aurora global database")."""
MOST_RETENTION_DAYS = 35
CLASS = re.compile(r"db\.[a-z]\w*\.\w+")
MEMORY_OPTIMIZED = re.compile(r"db\.[rx][2-9]\w*\.\w+")
VERSION = re.compile(r"1[5-9]\.\d+")
REPLICA_NAMESPACE, REPLICA_METRIC = "AWS/RDS", "AuroraGlobalDBReplicationLag"
"""Lag of a secondary cluster in milliseconds, in the region of that cluster (Aurora user guide, "Cluster-level metrics
for Amazon Aurora")."""


class DatabaseMode(StrEnum):
    """Which database the stacks create."""

    AURORA = "aurora"
    """An Aurora PostgreSQL global database."""
    NONE = "none"
    """No database."""


@dataclass(frozen=True)
class Database:
    """An Aurora PostgreSQL global database: a primary cluster, and a secondary one by tier.

    Args:
        instance_class: Class of all instances.
        instances: Instances of the primary cluster, the writer included.
        version: Version of Aurora PostgreSQL.
        retention_days: Days for which automated backups are kept.
    """

    instance_class: str = "db.r6g.large"
    instances: int = 2
    version: str = "17.7"
    retention_days: int = 7

    def replicas(self, tier: Tier) -> int | None:
        """Return the instances of the secondary cluster in a tier; None: the tier has no cluster."""
        return {Replica.NONE: None, Replica.HEADLESS: 0, Replica.READER: 1, Replica.PEER: self.instances}[
            tier.spec.replica
        ]


def class_problem(value: str) -> tuple[str, str] | None:
    """Return what is wrong with an instance class, and the remedy.

    A global database needs a memory-optimized class; db.r5 or higher is recommended (Aurora user guide, "Configuration
    requirements of an Amazon Aurora global database").
    """
    if not CLASS.fullmatch(value):
        return f'"{value}" is not a class of database instances', "use a class such as db.r6g.large"
    if not MEMORY_OPTIMIZED.fullmatch(value):
        fact = f'"{value}" is not memory-optimized, which instances of an Aurora global database have to be'
        return fact, "use a class of db.r5 or higher, such as db.r6g.large"
    return None


def version_problem(value: str) -> tuple[str, str] | None:
    """Return what is wrong with a version, and the remedy."""
    if VERSION.fullmatch(value):
        return None
    remedy = "use one such as 17.7; `aws rds describe-db-engine-versions --engine aurora-postgresql` lists them"
    return f'"{value}" is not a version of Aurora PostgreSQL 15 or newer', remedy
