"""Prediction requests to a region's endpoint, compared with predictions of the same model on this machine.

Each request sends a row of the training data. The local model has the version that the response names, and is read
from the region's own bucket.
"""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dr.control import contract
from dr.data import model_sets
from dr.errors import Failed, Invalid, Problem
from dr.names import REGISTRY, SETS
from sandbox.local import read_json
from sandbox.model_set import NAME
from sandbox.up import PRIMARY, RECOVERY, World

ANSWER_SECONDS = 120
"""Response timeout in seconds; the first request waits for a model server to start."""
HTTPS_PORT = 443
REMEDY = "`python -m sandbox fault list` for what is broken, and the pods and targets of the region"


@dataclass(frozen=True)
class Way:
    """Route to an inference endpoint.

    Args:
        name: DNS name of the inference endpoint.
        proxy: URL of the emulator, used as an HTTPS proxy.
        authority: File with the certificate of the trusted certificate authority.
    """

    name: str
    proxy: str
    authority: Path

    def send(self, method: str, path: str, content: object) -> dict[str, Any]:
        """Send one request on a new connection, because the load balancer distributes connections, not requests.

        Raises:
            Failed: The connection failed, or the status of the response is not 200.
        """
        at = urlsplit(self.proxy)
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(str(at.hostname), at.port, context=context, timeout=ANSWER_SECONDS)
        connection.set_tunnel(self.name, HTTPS_PORT)
        try:
            connection.request(method, path, json.dumps(content), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, text = answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            fact = f"nothing answers at https://{self.name}{path}: {type(error).__name__}: {error}"
            raise Failed(Problem(self.name, fact, REMEDY)) from error
        finally:
            connection.close()
        if status != HTTPStatus.OK:
            fact = f"https://{self.name}{path} answers {status}: {text.strip()[:300]}"
            raise Failed(Problem(self.name, fact, "`python -m sandbox logs` has what the model server said"))
        found: dict[str, Any] = json.loads(text)
        return found


@dataclass(frozen=True)
class Prediction:
    """Result of one prediction request.

    Args:
        row: Number of the data row that was sent.
        version: Version of the model that answered; "" if the request failed.
        answer: Prediction of the region.
        local: Prediction of the same model on this machine; None if the request failed.
        error: Reason why the request failed; "" if it succeeded.
    """

    row: int
    version: str = ""
    answer: Sequence[Any] = ()
    local: Sequence[Any] | None = None
    error: str = ""

    @property
    def equal(self) -> bool:
        """Whether the region's prediction equals the local prediction."""
        return self.local is not None and list(self.answer) == list(self.local)


def ask(way: Way, region: str, buckets: Mapping[str, str], count: int) -> list[Prediction]:
    """Send prediction requests, each with the next data row.

    Args:
        way: Route to the inference endpoint.
        region: Region of the bucket that the local model is read from.
        buckets: Buckets of the region, by pair.
        count: Number of requests.

    Raises:
        Failed: All requests failed, or the model cannot be read.
    """
    from sklearn.datasets import load_digits

    rows, _ = load_digits(return_X_y=True)
    models: dict[str, Any] = {}
    found: list[Prediction] = []
    refused: Failed | None = None
    for number in range(count):
        row = rows[number % len(rows)].tolist()
        inputs = {"name": "predict", "shape": [1, len(row)], "datatype": "FP32", "data": row}
        try:
            answer = way.send("POST", f"/v2/models/{NAME}/infer", {"inputs": [inputs]})
        except Failed as error:
            refused = error
            found.append(Prediction(number, error=error.problems[0].fact))
            continue
        version = str(answer.get("model_version", ""))
        if version not in models:
            models[version] = local_model(region, buckets, version)
        local = models[version].predict([row]).tolist()
        found.append(Prediction(number, version, answer["outputs"][0]["data"], local))
    if refused and all(each.error for each in found):
        raise refused
    return found


def deployed_way(world: World, region: str, public: bool) -> Way:
    """Return the route to a deployed region's inference endpoint.

    Args:
        world: The running sandbox.
        region: The region.
        public: Whether to use the public name, which may resolve to the other region, instead of the regional name.

    Raises:
        Invalid: The region is neither the primary nor the recovery region, or its stack is not deployed.
    """
    stacks = {world.primary_region: PRIMARY, world.recovery_region: RECOVERY}
    if region not in stacks:
        raise Invalid(Problem("--region", f'"{region}" is neither of the two regions', f"use {' or '.join(stacks)}"))
    outputs = world.ready_engine.outputs(stacks[region])
    if "contract" not in outputs:
        raise Invalid(Problem(f"the stack {stacks[region]}", "it is not deployed", "`make up`"))
    half = contract.parse(json.dumps(outputs["contract"]), stacks[region])
    emulator = read_json(world.local.emulator)
    name = half.dns.public_name if public else half.dns.regional_name
    return Way(name, emulator["endpoint"], Path(emulator["authority"]))


def local_model(region: str, buckets: Mapping[str, str], version: str) -> Any:
    """Load a version of the model from the region's bucket.

    Raises:
        Failed: The region does not have the version, or the object differs from its manifest.
    """
    import joblib

    manifest = next((each for each in model_sets.manifests(region, buckets, NAME) if each.set_id == version), None)
    entry = next((each for each in manifest.entries if each.part == "model"), None) if manifest else None
    if entry is None:
        fact = f"{region} answers with a version that its registry does not have"
        remedy = f"look at s3://{buckets[REGISTRY]}/{SETS}{NAME}/"
        raise Failed(Problem(f"model set {NAME} {version}", fact, remedy))
    with tempfile.TemporaryDirectory(prefix="ml-dr-") as folder:
        path = Path(folder) / "model.joblib"
        model_sets.download(region, buckets, entry, path)
        return joblib.load(path)
