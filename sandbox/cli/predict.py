"""Asks a region's address for predictions, as any client would, and runs the same model here to compare.

The row is one of the data that the model set was trained on; the model is of the version that the answer names, read
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
"""The first request has to wait for a model server to start."""
HTTPS_PORT = 443
REMEDY = "`python -m sandbox fault list` for what is broken, and the pods and targets of the region"


@dataclass(frozen=True)
class Way:
    """How a name is reached.

    Args:
        name: The DNS name.
        proxy: The sandbox's endpoint.
        authority: The certificate that is trusted.
    """

    name: str
    proxy: str
    authority: Path

    def send(self, method: str, path: str, content: object) -> dict[str, Any]:
        """One request, on a connection of its own: a load balancer spreads connections.

        Raises:
            Failed: nothing answers, or it says no.
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
    """One request and what came of it.

    Args:
        row: Number of the row of data that was sent.
        version: Of the model that answered; empty where nothing did.
        answer: What it predicted.
        local: What the same model predicts here; None where nothing answered.
        error: The reason for a missing answer.
    """

    row: int
    version: str = ""
    answer: Sequence[Any] = ()
    local: Sequence[Any] | None = None
    error: str = ""

    @property
    def equal(self) -> bool:
        """Whether the region answers as the model does."""
        return self.local is not None and list(self.answer) == list(self.local)


def ask(way: Way, region: str, buckets: Mapping[str, str], count: int) -> list[Prediction]:
    """Ask so many times, each with the next row.

    Args:
        way: The address.
        region: The region with the bucket that the local model is read from.
        buckets: That region's bucket by pair.
        count: How many requests.

    Raises:
        Failed: not one was answered, or the model cannot be read.
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
    """The address of a region that is deployed.

    Args:
        world: The sandbox, which runs.
        region: The region.
        public: By the name that clients use, which may lead elsewhere; else by the region's own.

    Raises:
        Invalid: neither the primary nor the recovery region, or its stack is not deployed.
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
    """The model of a version, from the region's bucket.

    Raises:
        Failed: the region has no such version, or not with the bytes of its manifest.
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
