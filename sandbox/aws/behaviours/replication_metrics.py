"""Metrics of S3 replication, published every minute in the region of the source bucket.

Of rules with metrics enabled, and only while copies wait or fail. Source: S3 user guide, "Using S3 Replication
metrics": bytes and operations that wait, the largest number of seconds by which the destination is behind, and the
operations that failed in the minute.
"""

from __future__ import annotations

import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours.replication import Replicator, Route
from sandbox.aws.call import find_bucket
from sandbox.aws.faults import Faults

NAMESPACE = "AWS/S3"


def publish(faults: Faults, replicator: Replicator, minute: datetime.datetime) -> None:
    """Publish the metrics of all rules for one minute."""
    routes: dict[Route, dict[str, float]] = {}
    for task in replicator.pending():
        values = routes.setdefault(task.route, {"BytesPendingReplication": 0, "OperationsPendingReplication": 0})
        values["BytesPendingReplication"] += _size(task.bucket, task.key, task.version)
        values["OperationsPendingReplication"] += 1
        late = max(0.0, minute.timestamp() - task.queued)
        values["ReplicationLatency"] = max(values.get("ReplicationLatency", 0.0), late)
    for route, number in replicator.take_failed().items():
        routes.setdefault(route, {})["OperationsFailedReplication"] = number
    time = minute.astimezone(datetime.UTC).replace(tzinfo=None)
    for (source, destination, rule), values in routes.items():
        bucket = find_bucket(source)
        if bucket is None or faults.unreachable(bucket.region_name) or not _enabled(bucket, rule):
            continue
        named = {"SourceBucket": source, "DestinationBucket": destination, "RuleId": rule}
        of = [{"Name": name, "Value": value} for name, value in named.items()]
        data = [
            {"MetricName": name, "Value": value, "Dimensions": of, "Timestamp": time} for name, value in values.items()
        ]
        cloudwatch_backends[ACCOUNT][bucket.region_name].put_metric_data(NAMESPACE, data)


def _enabled(bucket: Any, rule: str) -> bool:
    rules = (getattr(bucket, "replication", None) or {}).get("Rules", [])
    found: dict[str, Any] = next((each for each in rules if each.get("ID") == rule), {})
    return bool(found.get("Destination", {}).get("Metrics", {}).get("Status") == "Enabled")


def _size(name: str, key: str, version: str) -> int:
    bucket = find_bucket(name)
    held = bucket.keys.getlist(key, []) if bucket else []
    return next((int(getattr(each, "size", 0)) for each in held if each.version_id == version), 0)
