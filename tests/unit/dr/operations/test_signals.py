"""Signals that the primary region is lost: two of three decide."""

from __future__ import annotations

import urllib.error
from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest

from dr.clients import Unreachable
from dr.errors import Problem
from dr.operations import data_steps, https, inference_probe, quorum, signals
from dr.operations.inference_probe import Answer
from dr.operations.quorum import Sight, Signal
from dr.operations.scene import Scene
from tests.support.scenes import scene

LOST, WELL, UNKNOWN = Sight.LOST, Sight.WELL, Sight.UNKNOWN


@pytest.mark.parametrize(
    ("sights", "decided"),
    [
        ((LOST, LOST, LOST), LOST),
        ((LOST, LOST, WELL), LOST),
        ((LOST, LOST, UNKNOWN), LOST),
        ((LOST, WELL, WELL), WELL),
        ((LOST, WELL, UNKNOWN), UNKNOWN),
        ((LOST, UNKNOWN, UNKNOWN), UNKNOWN),
        ((UNKNOWN, UNKNOWN, UNKNOWN), UNKNOWN),
    ],
)
def test_two_signals_of_three_decide(sights: tuple[Sight, ...], decided: Sight) -> None:
    assert quorum.judged([Signal(str(number), sight, "") for number, sight in enumerate(sights)]) is decided


class Opener:
    """An opener of URLs with one result."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def open(self, url: str, timeout: float) -> Any:
        assert url == "https://inference-primary.ml.example.com/v2/models/digits/ready"
        if isinstance(self.result, Exception):
            raise self.result
        return self

    def __enter__(self) -> Any:
        return SimpleNamespace(status=self.result)

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("result", "sight", "fact"),
    [
        (204, LOST, "answered 204"),
        (urllib.error.HTTPError("", 503, "unavailable", Message(), None), LOST, "answered 503"),
        (urllib.error.URLError("timed out"), LOST, "no answer: timed out"),
        (ConnectionResetError("reset by peer"), LOST, "no answer: reset by peer"),
    ],
)
def test_region_that_is_not_ready_is_lost_and_not_asked_for_predictions(
    monkeypatch: pytest.MonkeyPatch, result: Any, sight: Sight, fact: str
) -> None:
    monkeypatch.setattr(https, "opener", lambda: Opener(result))

    found = signals.request(scene())
    assert (found.sight, found.fact, found.grey) == (sight, fact, False)


PREDICTED = Answer(True, "inference-primary.ml.example.com predicts [[7]], as published")
SLOW = Answer(False, "inference-primary.ml.example.com does not answer: timed out", predicted=False)
OTHER = Answer(False, "inference-primary.ml.example.com predicts [[3]]; the published model predicts [[7]]")
REFUSED = Answer(False, "inference-primary.ml.example.com answers 401", predicted=False, refused=True)


@pytest.mark.parametrize(
    ("answers", "sight", "grey", "fact"),
    [
        ([PREDICTED] * 6, WELL, False, "answered 200; 6 of 6 inference requests answered within 2 s"),
        ([*[PREDICTED] * 5, SLOW], LOST, True, f"answered 200, but 1 of 6 {{}} within 2 s: {SLOW.fact}"),
        ([OTHER] * 6, WELL, False, f"answered 200; 6 of 6 inference requests answered within 2 s; {OTHER.fact}"),
        ([REFUSED] * 6, WELL, False, f"answered 200; inference is not measured: {REFUSED.fact}: set DR_CLIENT_TOKEN"),
    ],
)
def test_region_that_is_ready_and_predicts_late_is_a_grey_failure(
    monkeypatch: pytest.MonkeyPatch, answers: list[Answer], sight: Sight, grey: bool, fact: str
) -> None:
    monkeypatch.setattr(https, "opener", lambda: Opener(200))
    monkeypatch.setattr(data_steps, "newest_whole", lambda scene: (SimpleNamespace(probe=object()), []))
    monkeypatch.setattr(inference_probe, "ask_all", lambda *asked: answers)

    found = signals.request(scene())
    assert (found.sight, found.grey) == (sight, grey)
    assert found.fact == fact.format("inference requests got no prediction")


def test_region_whose_model_set_has_no_known_answer_is_judged_by_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "opener", lambda: Opener(200))
    monkeypatch.setattr(data_steps, "newest_whole", lambda scene: (None, []))

    found = signals.request(scene())
    assert (found.sight, found.grey) == (WELL, False)
    assert "inference is not measured: the model set has no request with a known answer" in found.fact


def test_request_is_unknown_if_the_model_set_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(scene: Scene) -> None:
        raise Unreachable(Problem("us-west-2", "us-west-2 does not answer", "wait"))

    monkeypatch.setattr(https, "opener", lambda: Opener(200))
    monkeypatch.setattr(data_steps, "newest_whole", fails)

    assert signals.request(scene()).sight is UNKNOWN
