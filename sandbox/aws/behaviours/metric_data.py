"""Datapoints of a metric, found by time.

moto keeps all data of a region in one list, by their arrival. Alarms are evaluated several times a minute, so a scan of
that list made a sandbox slower by the hour.
"""

from __future__ import annotations

import datetime
import threading
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from moto.cloudwatch.models import MetricDatumBase, cloudwatch_backends

from sandbox.aws.account import ACCOUNT

Metric = tuple[str, str, tuple[tuple[Any, Any], ...]]
"""Namespace, name, and sorted dimensions."""
LOCK = threading.Lock()


class _Index:
    """The data of a region: of each metric its time, its number by arrival and the datum, sorted."""

    def __init__(self) -> None:
        self.indexed = 0
        self.metrics: defaultdict[Metric, list[tuple[float, int, MetricDatumBase]]] = defaultdict(list)

    def follow(self, data: Sequence[MetricDatumBase]) -> None:
        """Index the data that arrived since the last call."""
        for number in range(self.indexed, len(data)):
            datum = data[number]
            dimensions = [(each.name, each.value) for each in datum.dimensions]
            at = datum.timestamp.replace(tzinfo=datetime.UTC).timestamp()
            insort(self.metrics[_metric(datum.namespace, datum.name, dimensions)], (at, number, datum))
            self.indexed = number + 1


def between(
    region: str, namespace: str, name: str, dimensions: Sequence[tuple[Any, Any]], start: float, end: float
) -> list[tuple[float, MetricDatumBase]]:
    """Return the datapoints of a metric in a time range, oldest first, each with its time.

    Args:
        region: Region of the metric.
        namespace: Namespace of the metric.
        name: Name of the metric.
        dimensions: Names and values of its dimensions, all of them.
        start: Start of the range in seconds since 1970, inclusive.
        end: End of the range in seconds since 1970, exclusive.
    """
    backend = cloudwatch_backends[ACCOUNT][region]
    with LOCK:
        # A reset of the backend deletes its attributes, and the index with them.
        index = vars(backend).setdefault("index_of_data", _Index())
        index.follow(backend.metric_data)
        found = index.metrics.get(_metric(namespace, name, dimensions), [])
        inside = found[bisect_left(found, (start,)) : bisect_left(found, (end,))]
    return [(at, datum) for at, _, datum in inside]


def _metric(namespace: str, name: str, dimensions: Sequence[tuple[Any, Any]]) -> Metric:
    return namespace, name, tuple(sorted(dimensions))
