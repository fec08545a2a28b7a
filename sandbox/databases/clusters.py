"""Aurora PostgreSQL clusters as the API has them: endpoints, writers of global clusters, credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from moto.rds.models import DBCluster

from sandbox.aws.behaviours import global_databases

ENGINE = "aurora-postgresql"


@dataclass(frozen=True)
class Endpoint:
    """A name by which clients reach a cluster.

    Args:
        cluster: The cluster, as moto has it.
        writes: Whether it leads to the writer: an endpoint of a secondary cluster for writing leads nowhere (Aurora
            user guide, "Connecting to Amazon Aurora Global Database").
    """

    cluster: DBCluster
    writes: bool


def clusters() -> Iterator[DBCluster]:
    """Yield every Aurora PostgreSQL cluster of every region."""
    yield from (each for each in global_databases.clusters() if each.engine == ENGINE)


def key_of(cluster: DBCluster) -> str:
    """Return what identifies a cluster for good: a new one of the same name has another."""
    return str(cluster.db_cluster_resource_id)


def endpoint(name: str) -> Endpoint | None:
    """Return the endpoint with a name; None for another name."""
    for each in clusters():
        if name == each.endpoint:
            return Endpoint(each, writes=True)
        if name == each.reader_endpoint or any(name == one.address for one in global_databases.instances(each)):
            return Endpoint(each, writes=False)
    return None


def group_of(cluster: DBCluster) -> tuple[DBCluster, tuple[DBCluster, ...]]:
    """Return the writer and the readers of the global cluster that a cluster is in; itself without one."""
    database = global_databases.database_of(cluster)
    if database is None:
        return cluster, ()
    writer = global_databases.writer_of(database) or cluster
    return writer, tuple(member for member in database.members if member is not writer)


def has_instance(cluster: DBCluster) -> bool:
    """Return whether an instance of a cluster is available."""
    return any(each.status == "available" for each in global_databases.instances(cluster))


def is_returning(cluster: DBCluster) -> bool:
    """Return whether a cluster was failed over from, and what it had not sent is lost."""
    return "returning" in vars(cluster)


def credentials(cluster: DBCluster) -> tuple[str, str] | None:
    """Return the name and the password of a cluster's master user; None where neither is known."""
    if not cluster.master_username:
        return None
    global_databases.settle_password(cluster)
    if cluster.manage_master_user_password:
        held = cluster.master_user_secret
        value = held.secretsmanager.get_secret_value(held.secret.arn, "", "")
        return cluster.master_username, json.loads(value["SecretString"])["password"]
    password = vars(cluster).get("_master_user_password")
    return (cluster.master_username, password) if password else None
