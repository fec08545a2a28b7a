"""What the database of MLflow names: runs, logged models and model versions, with where their artifacts are.

Rows are read from a tracking server by its REST API (MLflow documentation, "REST API"), so `dr` needs neither MLflow
nor a driver of the database. `kubectl port-forward -n mlflow service/mlflow 5000` reaches the server of a region.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dr.errors import Failed, Problem

API = "/api/2.0/mlflow/"
PAGE = 1000
EXPERIMENTS = 100
"""Experiments of one search."""
SECONDS = 30.0
SCHEME = "mlflow-artifacts"
"""Scheme of artifacts that the server stores itself, which names no bucket (MLflow documentation, "Remote Experiment
Tracking with MLflow Tracking Server")."""
OF_MODEL = "models:/"
"""Source of a model version that is a logged model."""


@dataclass(frozen=True)
class Row:
    """A row that names artifacts.

    Args:
        kind: "run", "logged model" or "model version".
        name: Its ID, or name and version.
        location: URI of the folder of its artifacts.
        complete: Whether what it names was to be stored: it is not in progress, and is not a run, which may have no
            artifacts.
    """

    kind: str
    name: str
    location: str
    complete: bool = False

    @property
    def title(self) -> str:
        """What it is called in a report."""
        return f"{self.kind} {self.name}"


def read(url: str) -> tuple[Row, ...]:
    """Read all rows that a tracking server knows, also deleted ones that `mlflow gc` has not removed.

    Args:
        url: URL of the server.

    Raises:
        Failed: The server does not answer, or refused a call.
    """
    server = _Server(url)
    ids = [each["experiment_id"] for each in server.pages("experiments/search", "experiments", view_type="ALL")]
    rows = list[Row]()
    for start in range(0, len(ids), EXPERIMENTS):
        some = ids[start : start + EXPERIMENTS]
        for each in server.pages("runs/search", "runs", experiment_ids=some, run_view_type="ALL"):
            rows.append(Row("run", each["info"]["run_id"], each["info"]["artifact_uri"]))
        for each in server.pages("logged-models/search", "models", experiment_ids=some):
            about = each["info"]
            ready = about.get("status") == "LOGGED_MODEL_READY"
            rows.append(Row("logged model", about["model_id"], about["artifact_uri"], ready))
    models = {row.name: row.location for row in rows if row.kind == "logged model"}
    for each in server.pages("model-versions/search", "model_versions", method="GET"):
        rows.append(version_row(each, models))
    return tuple(rows)


def version_row(found: Mapping[str, Any], models: Mapping[str, str]) -> Row:
    """Return the row of a model version. Pure.

    Args:
        found: The version, as the API has it.
        models: Locations of logged models by ID.
    """
    source = str(found.get("source", ""))
    location = models.get(source.removeprefix(OF_MODEL), source)
    ready = found.get("status", "READY") == "READY"
    return Row("model version", f"{found['name']} {found['version']}", location, ready)


def path_of(location: str, buckets: Mapping[str, str]) -> str | None:
    """Return the path of a location below the registry's artifacts, with a final slash; None for another place. Pure.

    Args:
        location: URI of a folder.
        buckets: Prefix of the artifacts by name of a bucket in which the registry keeps them.
    """
    parts = urlsplit(location)
    path = f"{parts.path.strip('/')}/"
    if parts.scheme == SCHEME:
        return path
    prefix = buckets.get(parts.netloc) if parts.scheme == "s3" else None
    return path.removeprefix(prefix) if prefix is not None and path.startswith(prefix) else None


class _Server:
    def __init__(self, url: str) -> None:
        import urllib3

        self._url = url.rstrip("/")
        self._http = urllib3.PoolManager(timeout=SECONDS, retries=urllib3.Retry(2, backoff_factor=0.5))

    def pages(self, path: str, name: str, method: str = "POST", **wanted: Any) -> Iterator[dict[str, Any]]:
        """Yield all items of a search."""
        token = ""
        while True:
            given = {**wanted, "max_results": PAGE if path != "logged-models/search" else 50}
            answer = self._call(method, path, {**given, "page_token": token} if token else given)
            yield from answer.get(name, ())
            token = answer.get("next_page_token", "")
            if not token:
                return

    def _call(self, method: str, path: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        from urllib3.exceptions import HTTPError

        subject, remedy = f"MLflow at {self._url}", "check --tracking; `kubectl get pods -n mlflow` shows its server"
        try:
            how = {"json": wanted} if method == "POST" else {"fields": wanted}
            answer = self._http.request(method, f"{self._url}{API}{path}", **how)
            found: dict[str, Any] = json.loads(answer.data)
        except (HTTPError, ValueError) as error:
            raise Failed(Problem(subject, f"{path}: {type(error).__name__}: {error}", remedy)) from error
        if answer.status != 200:
            raise Failed(Problem(subject, f"{path}: {answer.status} {found.get('message', '')}", remedy))
        return found
