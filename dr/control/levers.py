"""Levers: the metrics that open and close DNS records, and what they are on a given day.

Each is published in the recovery region, where its alarm and, through that, its health check are. A published value
is known for minutes only, so a function publishes it again every minute.
"""

from __future__ import annotations

from collections.abc import Mapping

from dr.clients import calls, client
from dr.control.incident_state import Levers

NAMESPACE = "DisasterRecovery"
METRIC = "Lever"
ENGAGE, ADMIT = "engage", "admit"


def values(levers: Levers, automatic: bool) -> dict[str, int]:
    """What each lever's metric is to be.

    Args:
        levers: What was pulled by hand.
        automatic: Whether the recovery record opens by its own health: then it is always admitted.
    """
    return {ENGAGE: int(levers.engaged), ADMIT: int(levers.admitted or automatic)}


def publish(region: str, workload: str, wanted: Mapping[str, int]) -> None:
    """Publish levers, in one call to the recovery region's data plane.

    Args:
        region: The recovery region.
        workload: Whose levers: `dr:bucketPrefix`.
        wanted: The value of each.

    Raises:
        Unreachable: the region does not answer.
        Failed: it refused.
    """
    data = [
        {
            "MetricName": METRIC,
            "Dimensions": [{"Name": "Lever", "Value": name}, {"Name": "Workload", "Value": workload}],
            "Value": value,
        }
        for name, value in wanted.items()
    ]
    with calls("levers", region):
        client("cloudwatch", region).put_metric_data(Namespace=NAMESPACE, MetricData=data)
