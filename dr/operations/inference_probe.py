"""Inference requests with a known answer, by a region's own name.

The answer is published with the model set (`dr.data.model_sets.Probe`). A status of 200 is not enough: a replica may
answer with another model, or with none.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dr.data.model_sets import Probe
from dr.operations import https

TOKEN = "DR_CLIENT_TOKEN"  # noqa: S105 - the name of a variable
"""Environment variable with a client's token, where `dr:authentication` is `jwt`."""
REFUSED = (401, 403)
"""HTTP statuses of a caller without a valid token."""


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    Args:
        right: Whether it is the known answer.
        fact: What was answered, as text.
        predicted: Whether it is a prediction, right or not.
        refused: Whether the caller is not allowed to ask.
        late: Whether nothing was answered within the time limit.
    """

    right: bool
    fact: str
    predicted: bool = True
    refused: bool = False
    late: bool = False


def ask(name: str, model: str, probe: Probe, seconds: float) -> Answer:
    """Send the probe's request once.

    Args:
        name: DNS name of the endpoint.
        model: Name of the model.
        probe: The request and its known answer.
        seconds: Time limit of the answer, in seconds.
    """
    request = urllib.request.Request(
        f"https://{name}/v2/models/{model}/infer", json.dumps(probe.request).encode(), headers(), method="POST"
    )
    try:
        with https.opener().open(request, timeout=seconds) as response:
            outputs = [each["data"] for each in json.load(response)["outputs"]]
    except urllib.error.HTTPError as error:
        return Answer(False, f"{name} answers {error.code}", predicted=False, refused=error.code in REFUSED)
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        late = isinstance(cause, TimeoutError)
        return Answer(False, f"{name} does not answer: {cause}", predicted=False, late=late)
    except (ValueError, KeyError, TypeError) as error:
        fact = f"{name} answers what is not a prediction: {type(error).__name__}: {error}"
        return Answer(False, fact, predicted=False)
    if outputs != list(probe.outputs):
        return Answer(False, f"{name} predicts {outputs}; the published model predicts {list(probe.outputs)}")
    return Answer(True, f"{name} predicts {outputs}, as published")


def headers() -> dict[str, str]:
    """Return the headers of a prediction, with the token of this process's client if it has one."""
    token = os.environ.get(TOKEN)
    return {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}


def ask_all(name: str, model: str, probe: Probe, requests: int, together: int, seconds: float) -> list[Answer]:
    """Send the request several times, some of them together, each on a connection of its own.

    Args:
        name: DNS name of the endpoint.
        model: Name of the model.
        probe: The request and its known answer.
        requests: Number of requests.
        together: Requests in flight.
        seconds: Time limit of each answer, in seconds.
    """
    with ThreadPoolExecutor(max_workers=together) as pool:
        return list(pool.map(lambda _: ask(name, model, probe, seconds), range(requests)))
