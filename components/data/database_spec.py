"""What the clusters of a global database have in common. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from dr.data.database_login import new_password
from dr.topology.databases import NAME, PORT

MASTER_USER = NAME
ROLES = ("globalClusterIdentifier", "replicationSourceIdentifier")
"""Properties that a switchover or failover changes. Where the provider does not find a cluster's global cluster, it
reads no identifier, and an update would detach the cluster (cloudposse/terraform-aws-rds-cluster issue 281)."""
OF_WRITER = ("masterUsername", "masterPassword", "databaseName")
"""Properties of the primary cluster alone, whichever region has it: RDS refuses a new password for a secondary."""
OF_GLOBAL_CLUSTER = ("engineVersion",)
"""Property that a change of the global cluster changes in both clusters (Pulumi registry, aws.rds.GlobalCluster,
"Upgrading Engine Versions")."""
IGNORED = (*ROLES, *OF_WRITER, *OF_GLOBAL_CLUSTER)


@dataclass(frozen=True)
class InstanceSpec:
    """The instances of a cluster.

    Args:
        cluster: Identifier of the cluster.
        instance_class: Class of the instances.
        count: Number of instances.
    """

    cluster: str
    instance_class: str
    count: int

    @property
    def identifiers(self) -> list[str]:
        """The identifiers of the instances."""
        return [f"{self.cluster}-{number}" for number in range(1, self.count + 1)]


def new_login() -> str:
    """Return a login with a new random password, in the form of RDS's own secrets, without a host."""
    login = {"engine": "postgres", "username": MASTER_USER, "password": new_password(), "dbname": NAME, "port": PORT}
    return json.dumps(login)


def password_of(login: str) -> str:
    """Return the password of a login."""
    return str(json.loads(login)["password"])
