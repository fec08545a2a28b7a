"""Names that the program, `dr`, functions and pods share: bucket pairs, namespaces and paths. Pure."""

CONTROL = "control"
"""The bucket pair of contracts and of the incident state."""
DATASETS = "datasets"
"""The bucket pair of data for training and batch processing."""
MODELS = "models"
"""The bucket pair that inference loads its models from."""
REGISTRY = "registry"
"""The bucket pair of model sets' manifests and of backups of the model registry."""
VELERO = "velero"
"""The bucket pair of cluster backups. They hold Secrets, so only Velero reads it."""

TRAINING, MLFLOW = "ml-training", "mlflow"
"""Namespaces of batch processing and of the model registry in a cluster."""
BATCH_PRIORITY = "ml-batch"
"""Priority class of pods that any other pod may preempt, and that preempt none."""
DRILL = "dr-drill"
"""Namespace in which a drill starts a pod of inference that no client reaches."""

GLOBAL_REGION = "us-east-1"
"""Region of the control planes of IAM and Route 53 (AWS Fault Isolation Boundaries, "Global services").

The Resource Groups Tagging API lists the tags of their resources there.
"""
SENTINEL_KEY = "control/sentinel.json"
"""Object of the control bucket that the primary's heartbeat writes three times a minute."""
SERVING_KEY = "control/serving.json"
"""Object of the control bucket that says whether the recovery region is expected to serve."""
BACKFILL_REPORTS = "backfill/"
"""Prefix of completion reports of `dr backfill` in the control buckets."""
SETS = "sets/"
"""Prefix of model sets in the registry bucket."""
ARTIFACTS = "mlflow/"
"""Prefix of the artifacts of MLflow in the registry bucket."""
EXPORTS = "databases/"
"""Prefix of exported database snapshots in the registry bucket."""
MAX_KEY_BYTES = 1024
"""Longest key of an object, in bytes (S3 user guide, "Naming Amazon S3 objects")."""
ENDPOINT_HEALTHY, ENDPOINT_UNHEALTHY = "192.0.2.1", "192.0.2.2"
"""Addresses with which a status name answers what Route 53's health checkers find at an endpoint (RFC 5737, TEST-NET-1:
no host has them)."""
INCIDENT_TAG = "dr-incident"
"""Tag of what an operation creates outside the program, with the ID of the incident."""


def incident_instance_name(cluster: str) -> str:
    """Return the reserved identifier of the instance that an operation creates in a database cluster.

    The program creates none of this name, so that no deployment changes or deletes it.
    """
    return f"{cluster}-incident"


def restored_cluster_name(prefix: str) -> str:
    """Return the reserved identifier of the database cluster that an operation restores from a snapshot."""
    return f"{prefix}-restored"


def database_secret_name(prefix: str) -> str:
    """Return the name of the secret with the login of the database's master user, the same in both regions."""
    return f"{prefix}-database"


def runner_role_name(prefix: str, region: str) -> str:
    """Return the name of the IAM role of a region's runner.

    Args:
        prefix: Prefix of names of the deployment.
        region: The region.
    """
    return f"{prefix}-{region}-runner"


def automation_role_name(prefix: str, region: str) -> str:
    """Return the name of the IAM role of automation in the recovery region.

    Args:
        prefix: Prefix of names of the deployment.
        region: The recovery region.
    """
    return f"{prefix}-{region}-automation"


def backfill_role_name(prefix: str) -> str:
    """Return the name of the IAM role of jobs that `dr backfill` creates."""
    return f"{prefix}-backfill"


def automation_project_name(prefix: str) -> str:
    """Return the name of the CodeBuild project that runs automation."""
    return f"{prefix}-automation"


TRIGGER = "failover-trigger"
"""Last part of the name of the function that starts automation, and name of its resources."""


def trigger_name(prefix: str) -> str:
    """Return the name of the function that starts automation."""
    return f"{prefix}-{TRIGGER}"
