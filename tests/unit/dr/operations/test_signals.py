"""Signals that the primary region is lost: two of three decide."""

from __future__ import annotations

import urllib.error
import urllib.request
from email.message import Message
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dr.operations import quorum, signals
from dr.operations.quorum import Sight, Signal
from dr.operations.scene import Scene

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
        (200, WELL, "answered 200"),
        (204, LOST, "answered 204"),
        (urllib.error.HTTPError("", 503, "unavailable", Message(), None), LOST, "answered 503"),
        (urllib.error.URLError("timed out"), LOST, "no answer: timed out"),
        (ConnectionResetError("reset by peer"), LOST, "no answer: reset by peer"),
    ],
)
def test_request_of_this_machine_is_a_signal(
    monkeypatch: pytest.MonkeyPatch, result: Any, sight: Sight, fact: str
) -> None:
    monkeypatch.setattr(urllib.request, "build_opener", lambda: Opener(result))
    dns = SimpleNamespace(regional_name="inference-primary.ml.example.com")
    serving = SimpleNamespace(ready_path="/v2/models/digits/ready")
    scene = SimpleNamespace(primary=SimpleNamespace(dns=dns), topology=SimpleNamespace(serving=serving))

    found = signals.request(cast(Scene, scene))
    assert (found.sight, found.fact) == (sight, fact)
