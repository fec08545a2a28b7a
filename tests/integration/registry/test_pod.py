"""The pod of the deployed MLflow server, with a real MLflow over PostgreSQL and the buckets of both regions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes import code_pod_spec, mlflow_spec
from components.pod_code import pod_code
from sandbox.server import Running
from tests.support import kubernetes, mlflow, mlflow_pod
from tests.support.aurora import MASTER, PASSWORD, PRIMARY, RECOVERY, Database, resolve
from tests.support.sets import Regions, bucket, run

pytestmark = pytest.mark.skipif(bool(mlflow.LACKING), reason=f"not run: {mlflow.LACKING}")
SECRET = "ml-dr-database"


@contextmanager
def running(aws: Running, region: str, host: str, folder: Path) -> Iterator[str]:
    """Run a pod of a region's server, with the code that the program deploys, and return the server's URL."""
    spec = kubernetes.mlflow(
        region=region,
        bucket=bucket(region, "registry"),
        secret=SECRET,
        host=host,
        code=pod_code("database_login"),
    )
    template = mlflow_spec.deployment(spec)["spec"]["template"]
    pod = {**template, "metadata": {**template["metadata"], "namespace": "mlflow", "name": f"mlflow-{region}"}}

    def config_map(namespace: str, name: str) -> dict[str, Any]:
        made = code_pod_spec.code(spec.login)
        assert (namespace, name) == (made["metadata"]["namespace"], made["metadata"]["name"])
        return made

    given = mlflow_pod.network(aws.endpoint, aws.authority.file, resolve(aws, host))
    with mlflow_pod.running(pod, config_map, given, folder) as url:
        yield url


@pytest.fixture
def login(aws: Running) -> None:
    """The login in Secrets Manager of the primary region, with its replica."""
    value = {"username": MASTER["MasterUsername"], "password": PASSWORD, "dbname": "mlflow", "port": 5432}
    aws.client("secretsmanager", PRIMARY).create_secret(
        Name=SECRET, SecretString=json.dumps(value), AddReplicaRegions=[{"Region": RECOVERY}]
    )


@pytest.mark.usefixtures("login")
def test_pod_of_each_region_serves_the_same_registry_before_and_after_a_switchover(
    aws: Running, tmp_path: Path
) -> None:
    regions, database = Regions(aws), Database(aws)
    first, second = database.pair()

    def content(url: str, name: str) -> dict[str, Any]:
        return mlflow.content(mlflow.client(url), "0", tmp_path / name)

    with running(aws, PRIMARY, first, tmp_path / "pod-1") as url:
        mlflow.log_version(mlflow.client(url), "0", "iris", "first")
        before = content(url, "artifacts-1")
    regions.settle()
    database.switch_over()
    with running(aws, RECOVERY, second, tmp_path / "pod-2") as url:
        assert content(url, "artifacts-2") == before
        mlflow.log_version(mlflow.client(url), "0", "iris", "second")
        after = content(url, "artifacts-3")
        code, verified = run("registry", "verify", "--tracking", url, "--region", RECOVERY)

    assert (len(before["runs"]), len(after["runs"])) == (1, 2)
    assert [each[:2] for each in after["versions"]] == [("iris", "1"), ("iris", "2")]
    assert code == 0, verified
