"""Aurora PostgreSQL clusters as the API has them: endpoints, writers of global clusters, credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.rds.models import rds_backends

from sandbox.aws.account import ACCOUNT

ENGINE = "aurora-postgresql"


@dataclass(frozen=True)
class Endpoint:
    """A name by which clients reach a cluster.

    Args:
        cluster: The cluster, as moto has it.
        writes: Whether it leads to the writer: an endpoint of a secondary cluster for writing leads nowhere (Aurora
            user guide, "Connecting to Amazon Aurora Global Database").
    """

    cluster: Any
    writes: bool


def clusters() -> Iterator[Any]:
    """Yield every Aurora PostgreSQL cluster of every region."""
    for backend in list(rds_backends[ACCOUNT].values()):
        yield from (each for each in list(backend.clusters.values()) if each.engine == ENGINE)


def key_of(cluster: Any) -> str:
    """Return what identifies a cluster for good: a new one of the same name has another."""
    return str(cluster.db_cluster_resource_id)


def endpoint(name: str) -> Endpoint | None:
    """Return the endpoint with a name; None for another name."""
    for each in clusters():
        if name == each.endpoint:
            return Endpoint(each, writes=True)
        if name == each.reader_endpoint or any(name == one.address for one in each.members):
            return Endpoint(each, writes=False)
    return None


def group_of(cluster: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the writer and the readers of the global cluster that a cluster is in; itself without one."""
    for backend in list(rds_backends[ACCOUNT].values()):
        for each in list(backend.global_clusters.values()):
            if any(member is cluster for member in each.members):
                writer = next((member for member in each.members if member.is_writer), cluster)
                return writer, tuple(member for member in each.members if member is not writer)
    return cluster, ()


def credentials(cluster: Any) -> tuple[str, str] | None:
    """Return the name and the password of a cluster's master user; None where neither is known."""
    if not cluster.master_username:
        return None
    if cluster.manage_master_user_password:
        held = cluster.master_user_secret
        value = held.secretsmanager.get_secret_value(held.secret.arn, "", "")
        return cluster.master_username, json.loads(value["SecretString"])["password"]
    # moto forgets the password of a cluster that is created in a global cluster.
    return (cluster.master_username, password) if (password := getattr(cluster, "_master_user_password", "")) else None
