"""The MLflow server of the model registry, in the region's cluster."""

from __future__ import annotations

from typing import Any

import pulumi

from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.mlflow import MlflowServer, MlflowServerArgs
from components.kubernetes.mlflow_spec import MlflowSpec
from components.kubernetes.namespaces import Namespaces
from components.pod_code import pod_code
from dr.names import REGISTRY, database_secret_name
from dr.topology.topology import Topology


def registry_server(
    topology: Topology,
    access: ClusterAccess,
    spaces: Namespaces,
    database: pulumi.Output[dict[str, Any]] | None,
    serves: bool,
) -> None:
    """Create the MLflow server; none where `dr:registry` is none.

    Args:
        topology: The topology to deploy.
        access: Access to the cluster.
        spaces: Its namespaces.
        database: The region's part of the global database.
        serves: Whether clients use the region.
    """
    if topology.registry is None or database is None:
        return
    spec = MlflowSpec(
        serves=serves,
        region=topology.here.region,
        bucket=topology.bucket(REGISTRY, topology.role),
        secret=database_secret_name(topology.bucket_prefix),
        host=None if topology.database_instances is None else database.apply(lambda record: str(record["endpoint"])),
        # The database is in private subnets of the VPC, and its addresses change.
        database_block=topology.here.cidr,
        image=topology.registry.image,
        tools_image=topology.serving.tools_image,
        code=pod_code("database_login"),
    )
    MlflowServer("registry", MlflowServerArgs(access, spec, spaces.ready))
