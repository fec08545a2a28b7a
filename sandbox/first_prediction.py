"""The last step of `make up`: a client's prediction by the public name.

The first one starts the model servers, which takes seconds, so that those of the user are answered at once.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from dr.data import model_sets
from dr.errors import Failed, Problem
from dr.operations import inference_probe
from dr.operations.steps import Report, State, Step, Verdict
from sandbox.client.endpoint import Endpoint
from sandbox.client.predictions import INFER_PATH
from sandbox.clusters.mlserver import lacking
from sandbox.emulator_client import ask
from sandbox.local import Local, read_json
from sandbox.model_set import NAME
from sandbox.server_process import Server

ANSWER_SECONDS, START_SECONDS = 2.0, 120.0
"""Time limits in seconds of an answer by running model servers, and of the first one."""


class Serves(Protocol):
    """What the step needs of the sandbox."""

    local: Local
    server: Server | None

    @property
    def primary_region(self) -> str:
        """Name of the primary region."""

    @property
    def public_name(self) -> str:
        """Name by which clients ask for predictions."""

    def buckets(self, region: str) -> Mapping[str, str]:
        """Return the buckets of a region, by pair."""


def steps() -> list[Step[Serves]]:
    """Return the step."""
    step: Step[Serves] = Step(
        name="predict",
        title="Ask for a prediction",
        evaluate=_answered,
        act=_wait_for_answer,
        expected=timedelta(seconds=6),
    )
    return [step]


def _answered(world: Serves) -> Verdict:
    """Check that clients get the published model's answer, if it can be asked for."""
    if reason := lacking():
        return Verdict(State.DONE, f"not asked: {reason}")
    if world.server and ask(world.server, "GET", "faults"):
        return Verdict(State.DONE, "not asked: faults are injected")
    try:
        return _ask(world, ANSWER_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        return Verdict(State.NEEDED, f"no answer within {ANSWER_SECONDS:g} s: {error}")


def _wait_for_answer(world: Serves, report: Report) -> None:
    report("the model servers start", None)
    try:
        found = _ask(world, START_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        found = Verdict(State.NEEDED, f"nothing answers: {type(error).__name__}: {error}")
    if found.state is not State.DONE:
        remedy = "`python -m sandbox logs` shows the model server's messages; then `make up` again"
        raise Failed(Problem(f"predictions of {world.public_name}", found.detail, remedy))


def _ask(world: Serves, seconds: float) -> Verdict:
    """Ask once, and compare. Raises OSError, HTTPException."""
    region = world.primary_region
    manifest = model_sets.newest(region, world.buckets(region), NAME)
    if manifest is None or manifest.probe is None:
        return Verdict(State.NEEDED, f"{region} holds no set {NAME} with a known answer")
    emulator = read_json(world.local.emulator)
    endpoint = Endpoint(world.public_name, emulator["endpoint"], Path(emulator["authority"]))
    status, text = endpoint.call("POST", INFER_PATH, manifest.probe.request, timeout=seconds)
    if status in inference_probe.REFUSED:
        return Verdict(State.DONE, f"not asked: {inference_probe.TOKEN} is not set")
    if status != HTTPStatus.OK:
        return Verdict(State.NEEDED, f"answered {status}: {text.strip()[:300]}")
    found, known = [each["data"] for each in json.loads(text)["outputs"]], list(manifest.probe.outputs)
    differs = "" if found == known else f"; the published model predicts {known}"
    return Verdict(State.NEEDED if differs else State.DONE, f"{world.public_name} predicts {found}{differs}")
