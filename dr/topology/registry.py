"""The MLflow server of the model registry: image, names and number of replicas. Pure.

The registry has one writer: its server runs in the region that serves, and has no replicas in the other one. An
operation starts and stops it (`dr.operations.registry_steps`), and the next `pulumi up` deploys the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dr.names import MLFLOW

SERVER, PORT = "mlflow", 5000
"""Name of Deployment, Service and service account, and the port of all."""
REPLICAS = 2
"""Replicas where the region serves, in different zones if possible. The server keeps its state in database and bucket,
so replicas share it, and a drain of a node does not stop the registry."""
DEPLOYMENT = f"/apis/apps/v1/namespaces/{MLFLOW}/deployments/{SERVER}"
"""Path of the Deployment in the API server."""
DATABASE_HOST = "ml-dr/database-host"
"""Annotation of the pods with the endpoint of their database. A failover that restores a snapshot changes it."""
IMAGE_KEY = "dr:registryImage"


class RegistryMode(StrEnum):
    """Which server of the model registry the stacks deploy."""

    NONE = "none"
    """No server."""
    MLFLOW = "mlflow"
    """An MLflow tracking server over database and registry bucket."""


@dataclass(frozen=True)
class Registry:
    """The MLflow server.

    Args:
        image: Image with MLflow, psycopg2, boto3 and the certificates of RDS.
    """

    image: str

    @property
    def images(self) -> Mapping[str, str]:
        """Image references, by the key that sets them."""
        return {IMAGE_KEY: self.image}


def replicas(serves: bool) -> int:
    """Return the number of replicas in a region.

    Args:
        serves: Whether clients use the region.
    """
    return REPLICAS if serves else 0
