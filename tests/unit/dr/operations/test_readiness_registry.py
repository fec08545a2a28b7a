"""Readiness of the model registry, judged from its Deployment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from dr.findings import Status
from dr.operations import readiness_registry
from dr.operations.inspected import Inspected
from dr.operations.readiness_registry import judge
from tests.support.registry import deployed
from tests.support.scenes import scene


@pytest.mark.parametrize(
    ("found", "serves", "status", "fact"),
    [
        (deployed(0), False, Status.MET, "no replica: a failover starts it"),
        (deployed(2), True, Status.MET, "2 of 2 replicas ready"),
        (deployed(2, 0), True, Status.MISSED, "0 of 2 replicas ready"),
        (deployed(0), True, Status.MISSED, "0 of 2 replicas ready"),
        (
            deployed(2),
            False,
            Status.MISSED,
            "2 replicas are requested, and clients use the other region: the registry has two servers",
        ),
        (None, False, Status.MISSED, "the cluster has no Deployment mlflow: a failover could not start it"),
    ],
)
def test_server_runs_where_clients_are_and_can_be_started(
    found: dict[str, Any] | None, serves: bool, status: Status, fact: str
) -> None:
    made = judge(found, serves, "us-west-2", "dr")

    assert (made.name, made.status, made.measured) == ("model registry in us-west-2", status, fact)
    assert bool(made.hint) is (status is Status.MISSED)


def test_nothing_is_shown_without_a_registry() -> None:
    assert list(readiness_registry.look(cast(Inspected, SimpleNamespace(scene=scene())))) == []
