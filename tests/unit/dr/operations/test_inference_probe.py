"""Inference requests with a known answer, sent to a server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

import pytest

from dr.data.model_sets import Probe
from dr.operations import https, inference_probe
from dr.operations.inference_probe import TOKEN

PROBE = Probe({"inputs": [{"name": "predict", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}]}, ([7],))
NAME = "inference-dr.ml.example.com"


class Server:
    """A server with one answer, and the last request."""

    answer: Any = b'{"outputs": [{"data": [7]}]}'
    asked: urllib.request.Request

    def open(self, request: urllib.request.Request, timeout: float) -> Any:
        self.asked = request
        if isinstance(self.answer, Exception):
            raise self.answer
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    def read(self, *size: int) -> bytes:
        return bytes(self.answer)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    monkeypatch.setattr(https, "opener", lambda: made)
    monkeypatch.delenv(TOKEN, raising=False)
    return made


def test_known_answer_is_right(server: Server) -> None:
    found = inference_probe.ask(NAME, "digits", PROBE, 2)

    assert (found.right, found.fact) == (True, f"{NAME} predicts [[7]], as published")
    assert server.asked.full_url == f"https://{NAME}/v2/models/digits/infer"
    assert json.loads(bytes(server.asked.data)) == PROBE.request  # type: ignore[arg-type]
    assert server.asked.get_header("Authorization") is None


def test_token_of_a_client_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "abc")
    inference_probe.ask(NAME, "digits", PROBE, 2)

    assert server.asked.get_header("Authorization") == "Bearer abc"


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        (b'{"outputs": [{"data": [3]}]}', f"{NAME} predicts [[3]]; the published model predicts [[7]]"),
        (b"<html>", f"{NAME} answers what is not a prediction: JSONDecodeError"),
        (b'{"error": "no model"}', f"{NAME} answers what is not a prediction: KeyError"),
        (urllib.error.HTTPError("", 404, "not found", Message(), None), f"{NAME} answers 404"),
        (urllib.error.URLError("timed out"), f"{NAME} does not answer: timed out"),
    ],
)
def test_any_other_answer_is_wrong(server: Server, answer: Any, fact: str) -> None:
    server.answer = answer
    found = inference_probe.ask(NAME, "digits", PROBE, 2)

    assert not found.right
    assert found.fact.startswith(fact)
    assert found.predicted is (b"outputs" in answer if isinstance(answer, bytes) else False)


@pytest.mark.parametrize(("cause", "late"), [(TimeoutError("timed out"), True), (OSError("refused"), False)])
def test_answer_that_did_not_come_in_time_is_late(server: Server, cause: OSError, late: bool) -> None:
    server.answer = urllib.error.URLError(cause)

    assert inference_probe.ask(NAME, "digits", PROBE, 2).late is late


def test_every_request_of_a_load_is_judged(server: Server) -> None:
    found = inference_probe.ask_all(NAME, "digits", PROBE, requests=8, together=4, seconds=2)

    assert [each.right for each in found] == [True] * 8


@pytest.mark.parametrize(("code", "refused"), [(401, True), (403, True), (404, False), (503, False)])
def test_caller_without_a_valid_token_is_refused_which_is_no_failure(server: Server, code: int, refused: bool) -> None:
    server.answer = urllib.error.HTTPError("", code, "", Message(), None)

    assert inference_probe.ask(NAME, "digits", PROBE, 2).refused is refused
