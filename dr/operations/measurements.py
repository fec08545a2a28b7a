"""What the recovery region measures: the prober's metrics and the levers, and the alarms of a region.

All metrics are read with one call. Times are those of CloudWatch, so a wrong clock of the operator's machine does not
change an age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from dr.clients import calls, client
from dr.control.levers import ADMIT, ENGAGE, METRIC, NAMESPACE
from dr.functions.prober import COPY_METRIC, ENDPOINT_METRIC, SENTINEL_METRIC
from dr.topology.detection import SAMPLE_SECONDS

WINDOW = timedelta(minutes=170)
"""Time range that is read. CloudWatch keeps values of a period below a minute for three hours (CloudWatch API
reference, MetricStat)."""
LEVER_PERIOD = 60
"""Period of the levers' metric, which has standard resolution."""
AHEAD = timedelta(minutes=1)
"""The time range ends in the next minute, so that a value of the current period is included."""


@dataclass(frozen=True)
class Sample:
    """A value of a metric.

    Args:
        at: Start of its period.
        value: The value.
    """

    at: datetime
    value: float


Series = Sequence[Sample]
"""Values of a metric, oldest first."""


@dataclass(frozen=True)
class Measurements:
    """Metrics of the recovery region in the time range `WINDOW`.

    Args:
        endpoints: By region, whether its endpoint answered: 1 or 0.
        levers: By lever, the published value.
        sentinel: Age of the newest replicated sentinel in seconds.
        copies: Age of the newest backup copy in seconds.
    """

    endpoints: Mapping[str, Series] = field(default_factory=dict)
    levers: Mapping[str, Series] = field(default_factory=dict)
    sentinel: Series = ()
    copies: Series = ()


@dataclass(frozen=True)
class Alarm:
    """An alarm of a region.

    Args:
        name: Its name.
        region: Its region.
        state: "ALARM", "OK" or "INSUFFICIENT_DATA".
        since: Time of its last change of state.
        description: Meaning of the alarm and what to do.
    """

    name: str
    region: str
    state: str
    since: datetime
    description: str = ""


@dataclass(frozen=True)
class Alarms:
    """The alarms of a region.

    Args:
        at: Time of the answer, by CloudWatch's clock.
        alarms: The alarms of the workload.
    """

    at: datetime
    alarms: tuple[Alarm, ...]

    def named(self, name: str) -> Alarm | None:
        """Return the alarm of that name."""
        return next((each for each in self.alarms if each.name == name), None)

    @property
    def firing(self) -> tuple[Alarm, ...]:
        """Alarms in the state ALARM, the oldest first."""
        return tuple(sorted((each for each in self.alarms if each.state == "ALARM"), key=lambda each: each.since))


def read_alarms(region: str, workload: str) -> Alarms:
    """Return the alarms of a region.

    Args:
        region: The region.
        workload: First part of the alarms' names: `dr:bucketPrefix`.

    Raises:
        Unreachable: The region does not answer.
        Failed: CloudWatch refused the call.
    """
    found: list[Alarm] = []
    at = datetime.now(UTC)
    with calls(f"alarms of {workload}", region):
        pages = client("cloudwatch", region).get_paginator("describe_alarms")
        for page in pages.paginate(AlarmNamePrefix=f"{workload}-", AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
            at = _date(page) or at
            found += [_alarm(each, region) for each in (*page["MetricAlarms"], *page["CompositeAlarms"])]
    return Alarms(at, tuple(found))


def _alarm(found: Mapping[str, Any], region: str) -> Alarm:
    since = found.get("StateTransitionedTimestamp") or found["StateUpdatedTimestamp"]
    return Alarm(found["AlarmName"], region, found["StateValue"], _utc(since), found.get("AlarmDescription", ""))


def read_measurements(workload: str, primary: str, recovery: str, now: datetime) -> Measurements:
    """Return the metrics of the recovery region, with one call.

    Args:
        workload: Value of the metrics' dimension `Workload`: `dr:bucketPrefix`.
        primary: The primary region.
        recovery: The recovery region, which is called.
        now: CloudWatch's time.

    Raises:
        Unreachable: The region does not answer.
        Failed: CloudWatch refused the call.
    """
    wanted: dict[str, tuple[str, dict[str, str], int]] = {
        "primary": (ENDPOINT_METRIC, {"Region": primary}, SAMPLE_SECONDS),
        "recovery": (ENDPOINT_METRIC, {"Region": recovery}, SAMPLE_SECONDS),
        "sentinel": (SENTINEL_METRIC, {}, SAMPLE_SECONDS),
        "copies": (COPY_METRIC, {}, SAMPLE_SECONDS),
        **{lever: (METRIC, {"Lever": lever}, LEVER_PERIOD) for lever in (ENGAGE, ADMIT)},
    }
    queries = [
        {
            "Id": id,
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": name,
                    "Dimensions": _dimensions({**dimensions, "Workload": workload}),
                },
                "Period": period,
                "Stat": "Maximum",
            },
        }
        for id, (name, dimensions, period) in wanted.items()
    ]
    end = now.replace(second=0, microsecond=0) + AHEAD
    found: dict[str, list[Sample]] = {id: [] for id in wanted}
    with calls(f"metrics of {workload}", recovery):
        pages = client("cloudwatch", recovery).get_paginator("get_metric_data")
        for page in pages.paginate(
            MetricDataQueries=queries, StartTime=end - WINDOW, EndTime=end, ScanBy="TimestampAscending"
        ):
            for each in page["MetricDataResults"]:
                values = zip(each["Timestamps"], each["Values"], strict=True)
                found[each["Id"]] += [Sample(_utc(at), float(value)) for at, value in values]
    return Measurements(
        endpoints={primary: found["primary"], recovery: found["recovery"]},
        levers={lever: found[lever] for lever in (ENGAGE, ADMIT)},
        sentinel=found["sentinel"],
        copies=found["copies"],
    )


def _dimensions(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def _date(answer: Mapping[str, Any]) -> datetime | None:
    """Return the time of an answer: the HTTP header Date."""
    text = answer["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    return _utc(parsedate_to_datetime(text)) if text else None


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
