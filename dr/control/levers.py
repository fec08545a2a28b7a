"""Levers: metrics that open and close DNS records.

They are published in the recovery region, which has their alarms and so their health checks. A published value expires
after minutes, so a function publishes it every minute.
"""

from __future__ import annotations

from collections.abc import Mapping

from dr.clients import calls, client
from dr.control.incident_state import Levers

NAMESPACE = "DisasterRecovery"
METRIC = "Lever"
ENGAGE, ADMIT = "engage", "admit"


def values(levers: Levers, automatic: bool) -> dict[str, int]:
    """Return the value of each lever's metric.

    Args:
        levers: The levers set by operators.
        automatic: Whether failover is automatic: the recovery record is then always admitted.
    """
    return {ENGAGE: int(levers.engaged), ADMIT: int(levers.admitted or automatic)}


def publish(region: str, workload: str, metrics: Mapping[str, int]) -> None:
    """Publish levers, in one data-plane call to the recovery region.

    Args:
        region: The recovery region.
        workload: Value of the dimension `Workload`: `dr:bucketPrefix`.
        metrics: Value by lever.

    Raises:
        Unreachable: The region does not answer.
        Failed: CloudWatch refused the call.
    """
    data = [
        {
            "MetricName": METRIC,
            "Dimensions": [{"Name": "Lever", "Value": name}, {"Name": "Workload", "Value": workload}],
            "Value": value,
        }
        for name, value in metrics.items()
    ]
    with calls("levers", region):
        client("cloudwatch", region).put_metric_data(Namespace=NAMESPACE, MetricData=data)
