"""Prediction requests to a region's endpoint, compared with predictions of the same model on this machine.

Each request sends a row of the training data. The local model has the version that the response names, and is read
from the region's own bucket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.control import contract
from dr.errors import Failed, Invalid, Problem
from sandbox.client.endpoint import Endpoint
from sandbox.client.predictions import INFER_PATH, Predictions
from sandbox.local import read_json
from sandbox.model_set import infer_request
from sandbox.up import PRIMARY, RECOVERY, World


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


def ask(endpoint: Endpoint, region: str, buckets: Mapping[str, str], count: int) -> list[Prediction]:
    """Send prediction requests, each with the next data row.

    Args:
        endpoint: The inference endpoint.
        region: Region of the bucket that the local model is read from.
        buckets: Buckets of the region, by pair.
        count: Number of requests.

    Raises:
        Failed: All requests failed, or the model cannot be read.
    """
    predictions = Predictions({region: buckets})
    found: list[Prediction] = []
    refused: Failed | None = None
    for number in range(count):
        row = number % len(predictions.rows)
        try:
            answer = endpoint.send("POST", INFER_PATH, infer_request(predictions.rows[row]))
        except Failed as error:
            refused = error
            found.append(Prediction(number, error=error.problems[0].fact))
            continue
        version = str(answer.get("model_version", ""))
        local = [predictions.of(region, version, row)]
        found.append(Prediction(number, version, answer["outputs"][0]["data"], local))
    if refused and all(each.error for each in found):
        raise refused
    return found


def deployed_endpoint(world: World, region: str, public: bool) -> Endpoint:
    """Return a deployed region's inference endpoint.

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
    return Endpoint(name, emulator["endpoint"], Path(emulator["authority"]))
