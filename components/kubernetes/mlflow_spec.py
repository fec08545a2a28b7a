"""The MLflow server of the model registry: Deployment, Service, network policies, disruption budget. Pure.

Rows are in the Aurora database, artifacts in the registry bucket, both of the pod's own region. The server stores
artifacts itself (`--artifacts-destination`), so that rows name no bucket and no region.

An init container writes the login into a volume in memory (`dr/pods/database_login.py`), so no manifest has it.

The image is the user's own. MLflow's image has neither PostgreSQL's driver nor boto3, and MLflow without a plugin of
authentication answers everyone who can connect. The network policies admit pods of `ml-training` and `ml-serving` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import REGISTRY_SERVER
from components.kubernetes import code_pod_spec
from components.kubernetes.code_pod_spec import POOL, SCRATCH, USER, CodePod
from components.kubernetes.inference_spec import environment, restricted_context
from components.kubernetes.labels import OWNED, REGISTRY, SERVING, TRAINING, metadata
from components.kubernetes.namespace_spec import in_namespace, policy
from components.pod_code import PodCode
from dr.names import ARTIFACTS
from dr.pods.database_login import SERVICE
from dr.topology import databases
from dr.topology.registry import DATABASE_HOST, PORT, SERVER, replicas

SELECTOR = {"app": SERVER}
CALLERS = (TRAINING, SERVING)
"""Namespaces with pods that may call the server."""
LOGIN = "/run/database"
SERVICE_FILE = f"{LOGIN}/pg_service.conf"
AUTHORITY = "/etc/ssl/certs/rds-global-bundle.pem"
"""Certificates of RDS in the image (Aurora user guide, "Using SSL/TLS to encrypt a connection to a DB cluster",
global-bundle.pem). Downloading them at a start would need a host outside the region."""
STORE = f"postgresql+psycopg2:///?service={SERVICE}"
"""Database URL of SQLAlchemy, which passes a query to psycopg2, and psycopg2 to libpq (SQLAlchemy documentation,
"PostgreSQL", "psycopg2")."""
HOSTS = ("localhost", "127.0.0.1", SERVER, *(f"{SERVER}.{REGISTRY}{end}" for end in ("", ".svc", ".svc.cluster.local")))
"""Names in the header Host that MLflow 3.5 and newer answers; `localhost` is that of `kubectl port-forward`."""
WORKERS, CPU, MEMORY = 2, "250m", "2Gi"
SCRATCH_SIZE, DISK = "10Gi", "1Gi"
"""Limit of the scratch volume, and requested disk: MLflow stores an uploaded artifact in a file, then copies it to S3
(`mlflow/server/handlers.py`, `_upload_artifact`)."""
HEALTH = "/health"
STARTS, PERIOD = 60, 5
"""Failed startup probes after which a container restarts, and seconds between probes: five minutes, in which the first
server creates the tables."""
GRACE_SECONDS = 60


@dataclass(frozen=True)
class MlflowSpec:
    """Specification of a region's MLflow server.

    Args:
        serves: Whether clients use the region; the server of the other region has no replicas.
        region: The region.
        bucket: Name of its registry bucket.
        secret: Name of the secret with the database's login.
        host: Endpoint of the database cluster of the region; may be an Output. None without a cluster: a failover then
            restores one, and sets its endpoint, which a deployment keeps.
        database_block: CIDR block with the database.
        image: Image of the server.
        tools_image: Image with Python and boto3.
        code: Code that writes the login.
    """

    serves: bool
    region: str
    bucket: str
    secret: str
    host: Any
    database_block: str
    image: str
    tools_image: str
    code: PodCode

    @property
    def login(self) -> CodePod:
        """The init container, with its ConfigMap."""
        return CodePod(
            name=f"{SERVER}-login",
            namespace=REGISTRY,
            image=self.tools_image,
            code=self.code,
            variables={
                "AWS_REGION": self.region,
                "DATABASE_SECRET": self.secret,
                "DATABASE_AUTHORITY": AUTHORITY,
                "PGSERVICEFILE": SERVICE_FILE,
            },
            from_pod={"DATABASE_HOST": f"metadata.annotations['{DATABASE_HOST}']"},
            cpu="100m",
            memory="256Mi",
        )


def deployment(spec: MlflowSpec) -> dict[str, Any]:
    """Return the Deployment. Nothing waits for it: a registry that does not start must not stop a deployment."""
    database = {} if spec.host is None else {"annotations": {DATABASE_HOST: spec.host}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(SERVER, REGISTRY, annotations={"pulumi.com/skipAwait": "true"}),
        "spec": {
            "replicas": replicas(spec.serves),
            "selector": {"matchLabels": dict(SELECTOR)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 3,
            "template": {
                "metadata": {"labels": {**OWNED, **SELECTOR}, **database},
                "spec": pod(spec),
            },
        },
    }


def pod(spec: MlflowSpec) -> dict[str, Any]:
    """Return the pod specification of a replica."""
    items = [{"key": key, "path": path} for key, path in spec.code.items.items()]
    return {
        "serviceAccountName": REGISTRY_SERVER.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(POOL),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                # After the loss of a zone, both replicas may run in one.
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": dict(SELECTOR)},
            }
        ],
        "initContainers": [login(spec)],
        "containers": [server(spec)],
        "volumes": [
            {"name": "code", "configMap": {"name": spec.login.code_name, "items": items}},
            # In memory: the login is written to no disk.
            {"name": "login", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "scratch", "emptyDir": {"sizeLimit": SCRATCH_SIZE}},
        ],
    }


def login(spec: MlflowSpec) -> dict[str, Any]:
    """Return the init container that writes the login."""
    made = code_pod_spec.container(spec.login)
    return {**made, "volumeMounts": [*made["volumeMounts"], {"name": "login", "mountPath": LOGIN}]}


def server(spec: MlflowSpec) -> dict[str, Any]:
    """Return the container of the server."""
    return {
        "name": SERVER,
        "image": spec.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["mlflow", "server"],
        "args": [
            f"--backend-store-uri={STORE}",
            f"--artifacts-destination=s3://{spec.bucket}/{ARTIFACTS.rstrip('/')}",
            "--host=0.0.0.0",
            f"--port={PORT}",
            f"--workers={WORKERS}",
        ],
        "env": environment(variables(spec)),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": CPU, "memory": MEMORY, "ephemeral-storage": DISK},
            "limits": {"memory": MEMORY},
        },
        "startupProbe": {**probe(), "failureThreshold": STARTS},
        "readinessProbe": probe(),
        "livenessProbe": {**probe(), "failureThreshold": 6},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": restricted_context(),
        "volumeMounts": [
            {"name": "login", "mountPath": LOGIN, "readOnly": True},
            {"name": "scratch", "mountPath": SCRATCH},
        ],
    }


def variables(spec: MlflowSpec) -> Mapping[str, str]:
    """Return the environment variables of the server. None of them is a secret."""
    return {
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "HOME": SCRATCH,
        "PGSERVICEFILE": SERVICE_FILE,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join((*HOSTS, *(f"{name}:*" for name in HOSTS))),
        # Jobs would be kept in a file of the pod.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Telemetry would call a host outside the region.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def probe() -> dict[str, Any]:
    """Return an HTTP probe. The path answers as soon as the server has checked the tables of its database."""
    return {"httpGet": {"path": HEALTH, "port": PORT}, "periodSeconds": PERIOD, "timeoutSeconds": 5}


def service() -> dict[str, Any]:
    """Return the Service, which is reached from inside the cluster only. No controller sets a status to wait for."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(SERVER, REGISTRY, annotations={"pulumi.com/skipAwait": "true"}),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(SELECTOR),
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    }


def budget() -> dict[str, Any]:
    """Return the disruption budget: a drain removes one replica at a time, and blocks nothing without replicas."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(SERVER, REGISTRY),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": dict(SELECTOR)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def network_policies(spec: MlflowSpec) -> dict[str, dict[str, Any]]:
    """Return the network policies, by a short name: of the server, and of its callers.

    The namespace denies the rest, and allows DNS, the Pod Identity agent and TLS to AWS (`namespace_spec.contents`).
    """
    ports = [{"protocol": "TCP", "port": PORT}]
    database = [{"protocol": "TCP", "port": databases.PORT}]
    made = {
        "policy": policy(
            SERVER,
            REGISTRY,
            SELECTOR,
            ingress=[{"from": [{"namespaceSelector": in_namespace(name)} for name in CALLERS], "ports": ports}],
            egress=[{"to": [{"ipBlock": {"cidr": spec.database_block}}], "ports": database}],
        )
    }
    there = {"namespaceSelector": in_namespace(REGISTRY), "podSelector": {"matchLabels": dict(SELECTOR)}}
    for name in CALLERS:
        made[f"from-{name}"] = policy("model-registry", name, {}, egress=[{"to": [there], "ports": ports}])
    return made
