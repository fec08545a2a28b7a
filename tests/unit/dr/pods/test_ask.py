"""The container that asks a model server: one right answer, and each test breaks one thing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dr.drills import isolation_spec
from dr.pods import ask
from tests.support.api_server import serving

REQUEST = {"inputs": [{"name": "predict", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}]}
READY, INFER = "/v2/models/digits/ready", "/v2/models/digits/infer"
RIGHT = (200, {"outputs": [{"data": [1]}]})


def run(folder: Path, answers: Mapping[str, tuple[int, Any]]) -> tuple[int, Any, str]:
    """Run the container's command; return its exit code, its termination message and its output."""
    (folder / "probe.json").write_text(json.dumps({"request": REQUEST, "outputs": [[1]]}))
    log = folder / "log"
    with serving() as server:
        server.answers.update(answers)
        variables = {
            "ENDPOINT": server.endpoint,
            "MODEL": "digits",
            "REQUESTS": "3",
            "ANSWER_SECONDS": "5",
            "READY_SECONDS": "0",
            "PROBE_FILE": str(folder / "probe.json"),
            "TERMINATION_LOG": str(log),
            "https_proxy": "http://127.0.0.1:1",
            "http_proxy": "http://127.0.0.1:1",
        }
        command = [sys.executable, "-c", Path(ask.__file__).read_text()]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, cwd=folder)
    return done.returncode, json.loads(log.read_text()) if log.exists() else None, done.stdout + done.stderr


def test_right_answers_are_counted_without_a_proxy(tmp_path: Path) -> None:
    code, found, output = run(tmp_path, {READY: (200, {}), INFER: RIGHT})

    assert (code, output) == (0, "")
    assert found == {"sent": 3, "failed": 0, "wrong": 0, "fact": "predicts [[1]]"}


@pytest.mark.parametrize(
    ("answer", "counts", "fact"),
    [
        ((200, {"outputs": [{"data": [7]}]}), (0, 3), "predicts [[7]]"),
        ((500, {}), (3, 0), "answered 500"),
        ((200, {"nothing": True}), (3, 0), "no prediction: KeyError: 'outputs'"),
    ],
)
def test_wrong_and_failed_answers_end_with_an_error(
    answer: tuple[int, Any], counts: tuple[int, int], fact: str, tmp_path: Path
) -> None:
    code, found, _ = run(tmp_path, {READY: (200, {}), INFER: answer})

    assert (code, (found["failed"], found["wrong"]), found["fact"]) == (1, counts, fact)


def test_model_that_is_not_loaded_in_time_is_named(tmp_path: Path) -> None:
    code, found, output = run(tmp_path, {READY: (400, {})})

    assert (code, found) == (1, None)
    assert "the model digits is not ready" in output


def test_program_of_a_container_imports_the_standard_library_only() -> None:
    for name in ("ask", "isolated"):
        text = (Path(isolation_spec.__file__).parents[1] / "pods" / f"{name}.py").read_text()
        assert "from dr" not in text
        assert "import dr" not in text
