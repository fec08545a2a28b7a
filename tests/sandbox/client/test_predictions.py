"""Predictions of published models, and what is said of a model that the sandbox cannot serve."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import pytest

from dr.data import model_sets
from dr.errors import Failed
from sandbox.client.predictions import predictions_of

ROWS, BUCKETS = [[0.0, 1.0], [2.0, 3.0]], {"registry": "registry"}


class Sum:
    def predict(self, rows: Any) -> Any:
        import numpy as np

        return np.asarray(rows).sum(axis=1)


class Narrow:
    def predict(self, rows: Any) -> Any:
        raise ValueError("X has 2 features, but 64 are expected")


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def published(content: Any) -> None:
        source = tmp_path / "model"
        if isinstance(content, bytes):
            source.write_bytes(content)
        else:
            joblib.dump(content, source)
        entry = SimpleNamespace(part="model", key="sets/digits/v1/model/model.joblib")
        made = [SimpleNamespace(set_id="v1", entries=[entry])]
        monkeypatch.setattr(model_sets, "manifests", lambda *about: made)
        monkeypatch.setattr(
            model_sets, "download", lambda region, buckets, entry, path: path.write_bytes(source.read_bytes())
        )

    return published


def test_published_model_predicts_each_row(publish: Any) -> None:
    publish(Sum())

    assert predictions_of("us-east-1", BUCKETS, "v1", ROWS) == [1.0, 5.0]


@pytest.mark.parametrize(
    ("content", "fact"), [(b"\x9cnot a model", "does not predict 2 pixels"), (Narrow(), "64 are expected")]
)
def test_model_that_the_sandbox_cannot_serve_is_named_with_what_it_serves(
    publish: Any, content: Any, fact: str
) -> None:
    publish(content)
    with pytest.raises(Failed) as refused:
        predictions_of("us-east-1", BUCKETS, "v1", ROWS)

    (problem,) = refused.value.problems
    assert fact in problem.fact
    assert (problem.subject, "scikit-learn" in problem.remedy) == ("model set digits v1", True)


def test_version_that_the_region_does_not_have_is_named(publish: Any) -> None:
    publish(Sum())
    with pytest.raises(Failed, match="answers with a version that its registry does not have"):
        predictions_of("us-east-1", BUCKETS, "v2", ROWS)
