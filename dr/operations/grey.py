"""Inference of a region as its clients get it, beside its health checks.

In a grey failure readiness answers, and inference is slow or fails for a part of the requests. Health checks do not
detect it, so a region may pass its health checks and not serve.
"""

from __future__ import annotations

import http.client
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from dr.data.model_sets import Probe
from dr.findings import Finding, Status
from dr.operations import https, inference_probe
from dr.operations.inference_probe import Answer
from dr.topology.serving import Serving

REQUESTS = 6
"""Inference requests, sent together on connections of their own: more than one replica is asked, and a failure of half
of the requests is missed once in 64 times."""


@dataclass(frozen=True)
class Seen:
    """What a client of a region sees.

    Args:
        ready: Whether readiness is answered with 200.
        failing: Whether inference requests got no prediction in time; None if inference was not measured.
        fact: The measurement, as text.
    """

    ready: bool
    failing: bool | None
    fact: str

    @property
    def grey(self) -> bool:
        """Whether health checks pass and inference fails."""
        return self.ready and bool(self.failing)


def look(name: str, serving: Serving, probe: Callable[[], Probe | None], seconds: float) -> Seen:
    """Ask a region for its readiness, and then for predictions.

    Args:
        name: DNS name of the region's endpoint.
        serving: What it serves.
        probe: Returns a request with its known answer; None if the model set has none. Called if readiness answers.
        seconds: Time limit of the answer about readiness, in seconds.

    Raises:
        DrError: As `probe`.
    """
    ready, fact = readiness(f"https://{name}{serving.ready_path}", seconds)
    if not ready:
        return Seen(False, None, fact)
    known = probe()
    if known is None:
        return Seen(True, None, f"{fact}; inference is not measured: the model set has no request with a known answer")
    model = serving.model or serving.model_set
    limit = serving.answer_seconds
    return judged(fact, inference_probe.ask_all(name, model, known, REQUESTS, REQUESTS, limit), limit)


def readiness(url: str, seconds: float) -> tuple[bool, str]:
    """Return whether a URL is answered with 200, and the measurement.

    Args:
        url: The URL.
        seconds: Time limit in seconds.
    """
    try:
        with https.opener().open(url, timeout=seconds) as answer:
            return answer.status == HTTPStatus.OK, f"answered {answer.status}"
    except urllib.error.HTTPError as error:
        # An answer of the region: its endpoint exists, and does not serve.
        return False, f"answered {error.code}"
    except (OSError, http.client.HTTPException) as error:
        return False, f"no answer: {getattr(error, 'reason', error)}"


def judged(ready: str, answers: list[Answer], limit: float) -> Seen:
    """Judge answers to inference requests of a region that is ready. Pure.

    A prediction that differs does not count as a failure: the region may serve a newer model set than the compared one.

    Args:
        ready: The measurement of readiness.
        answers: The answers.
        limit: Time limit of each one, in seconds.
    """
    if refused := [each for each in answers if each.refused]:
        fact = f"{refused[0].fact}: set {inference_probe.TOKEN}"
        return Seen(True, None, f"{ready}; inference is not measured: {fact}")
    if failed := [each for each in answers if not each.predicted]:
        text = f"{len(failed)} of {len(answers)} inference requests got no prediction within {limit:g} s"
        return Seen(True, True, f"{ready}, but {text}: {failed[0].fact}")
    different = [each for each in answers if not each.right]
    text = f"{len(answers)} of {len(answers)} inference requests answered within {limit:g} s"
    return Seen(True, False, f"{ready}; {text}" + (f"; {different[0].fact}" if different else ""))


def finding(region: str, seen: Seen, limit: float) -> Finding:
    """Judge the inference of a region that is to serve. Pure.

    Args:
        region: The region.
        seen: What a client sees.
        limit: Time limit of an answer, in seconds (`dr:answerSeconds`).
    """
    name, objective = f"inference in {region}", f"answers within {limit:g} s"
    if not seen.ready:
        return Finding(name, Status.INFO, f"not measured: readiness, asked by this machine: {seen.fact}")
    if seen.failing is None:
        return Finding(name, Status.INFO, seen.fact)
    if seen.failing:
        hint = "a grey failure, which health checks do not detect: `dr failover` shows the plan and what is lost"
        return Finding(name, Status.MISSED, seen.fact, hint, objective)
    return Finding(name, Status.MET, seen.fact, "", objective)
