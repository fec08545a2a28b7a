"""How long pods tolerate a lost node."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clusters.evictions import toleration_seconds

UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}
QUIET = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}
STAYS_30 = {"key": UNREACHABLE["key"], "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}


@pytest.mark.parametrize(
    ("taints", "tolerations", "expected"),
    [
        ([UNREACHABLE], [STAYS_30], 30.0),
        ([UNREACHABLE, QUIET], [STAYS_30], 30.0),
        ([QUIET], [STAYS_30], None),
        ([UNREACHABLE], [], None),
        ([UNREACHABLE], [{"operator": "Exists"}], None),
        ([UNREACHABLE], [STAYS_30, {"operator": "Exists"}], None),
        ([UNREACHABLE, NOT_READY], [STAYS_30, STAYS_30 | {"key": NOT_READY["key"], "tolerationSeconds": 10}], 10.0),
        ([], [STAYS_30], None),
    ],
)
def test_a_pod_stays_for_the_shortest_of_its_toleration_seconds(
    taints: list[dict[str, Any]], tolerations: list[dict[str, Any]], expected: float | None
) -> None:
    assert toleration_seconds({"spec": {"tolerations": tolerations}}, taints) == expected
