"""A real MLflow server over an endpoint of an Aurora cluster and a bucket, as deployed in a region."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import urllib3

from sandbox.databases import programs
from sandbox.server import Running
from tests.support.aurora import PASSWORD, resolve
from tests.support.waiting import wait_for

LACKING = "MLflow is not installed" if importlib.util.find_spec("mlflow") is None else programs.lacking()
"""Why it cannot run on this machine; "" if it can."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextlib.contextmanager
def server(aws: Running, region: str, endpoint: str, bucket: str, log: Path) -> Iterator[str]:
    """Run a server until the block ends, and return its URL.

    Args:
        aws: The emulator.
        region: Its region.
        endpoint: Endpoint of the database cluster.
        bucket: The registry bucket.
        log: File for what it prints.
    """
    port = free_port()
    store = f"postgresql+psycopg2://owner:{PASSWORD}@{endpoint}:5432/mlflow"
    given = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        **QUIET,
        "PGHOSTADDR": resolve(aws, endpoint),
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(aws.authority.file),
        "MLFLOW_S3_ENDPOINT_URL": aws.endpoint,
        "AWS_DEFAULT_REGION": region,
    }
    command = ["server", "--backend-store-uri", store, "--artifacts-destination", f"s3://{bucket}/mlflow"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            env=given,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(url) or process.poll() is not None, "MLflow", progress=lambda: log.stat().st_size)
        assert process.poll() is None, log.read_text()[-2000:]
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def client(url: str) -> Any:
    """Return MLflow's own client of a server."""
    os.environ.update(QUIET)
    return importlib.import_module("mlflow").MlflowClient(tracking_uri=url, registry_uri=url)


def log_version(found: Any, experiment: str, name: str, text: str) -> str:
    """Log a run with an artifact and a model, register the model, and return the run's ID."""
    run = found.create_run(experiment)
    run_id = str(run.info.run_id)
    found.log_param(run_id, "text", text)
    found.log_text(run_id, text, "notes/text.txt")
    found.log_text(run_id, f"flavors: {{}}\nrun_id: {run_id}\n", "model/MLmodel")
    found.log_text(run_id, f"weights of {text}", "model/weights.bin")
    with contextlib.suppress(Exception):  # it exists
        found.create_registered_model(name)
    found.create_model_version(name, f"{run.info.artifact_uri}/model", run_id)
    found.set_terminated(run_id)
    return run_id


def content(found: Any, experiment: str, into: Path) -> dict[str, Any]:
    """Return what a server's registry holds, by its own API: runs with parameters and artifacts, and versions."""
    runs = {
        run.info.run_id: (
            dict(run.data.params),
            run.info.status,
            {
                str(path.relative_to(folder)): path.read_bytes()
                for folder in [Path(found.download_artifacts(run.info.run_id, "", str(_made(into / run.info.run_id))))]
                for path in folder.rglob("*")
                if path.is_file()
            },
        )
        for run in found.search_runs([experiment])
    }
    versions = sorted((each.name, each.version, each.run_id, each.source) for each in found.search_model_versions())
    return {"runs": runs, "versions": versions}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def free_port() -> int:
    """Return a port of this machine that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Return whether a server is healthy."""
    try:
        return urllib3.request("GET", f"{url}/health", timeout=2, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False
