"""Time to detect the loss of the primary region, derived from sampling intervals and alarm periods. Pure.

Two independent witnesses are measured in the recovery region: the primary's endpoint, and the age of the newest
replicated sentinel. The alarm that a failover is decided on fires when both have breached for `PERIODS` periods.
"""

from __future__ import annotations

from datetime import timedelta

SAMPLE_SECONDS = 20
"""Interval between samples, and period of the witnesses' alarms. CloudWatch accepts periods of 10, 20 and 30 seconds
for metrics that are published with a storage resolution of 1 (CloudWatch API reference, PutMetricAlarm)."""
SAMPLES = 3
"""Samples that one run of a scheduled function takes, so that they are evenly spaced over a minute."""
SCHEDULE_PRECISION_SECONDS = 60
"""EventBridge Scheduler invokes a target within 60 seconds of the scheduled time (Scheduler user guide, "Schedule
types on EventBridge Scheduler")."""
ANSWER_SECONDS = 5
"""Time limit of a probe; an endpoint that does not answer in time is measured as down."""
PERIODS = 2
"""Consecutive breaching periods of a witness: one failed sample, or one missing datapoint, does not fire its alarm."""
EVALUATION_SECONDS = SAMPLE_SECONDS
"""CloudWatch evaluates an alarm once in each period, so the last datapoint may wait for a whole period."""
STALE_SECONDS = 60
"""Age of the newest sentinel above which replication counts as stopped: three times the interval between writes."""

TARGET_CHECK_SECONDS, TARGET_CHECKS, TARGET_ANSWER_SECONDS = 10, 2, 6
"""Interval, threshold and time limit of the load balancer's health checks of replicas, in seconds. A replica that does
not answer gets no connections before Route 53's 30 s, so that it does not make the region unhealthy. The time limit is
AWS's default for HTTP checks (Elastic Load Balancing user guide, "Health checks for Network Load Balancer target
groups")."""

BY_TARGET_CHECKS = timedelta(seconds=TARGET_CHECK_SECONDS * TARGET_CHECKS + TARGET_ANSWER_SECONDS)
"""Longest time from the loss of a replica, such as with its zone, until the load balancer sends it no connections: the
loss just after a check, one interval for each failed check, and the last one's time limit."""

STATUS_TTL_SECONDS = 10
"""Time to live of the DNS record that shows what Route 53's health checkers find; shorter than the interval between two
samples, so that each is a new one."""

SILENT, STALE = "primary-silent", "sentinel-stale"
"""Name suffixes of the witnesses' alarms: the endpoint does not answer; no recent sentinel is replicated."""

IMPAIRED = "region-impaired"
"""Name suffix of the alarm that a failover is decided on."""

_LONGEST_GAP = SCHEDULE_PRECISION_SECONDS + SAMPLE_SECONDS
_BREACHING = (PERIODS - 1) * SAMPLE_SECONDS + EVALUATION_SECONDS
BY_PROBE = timedelta(seconds=max(_LONGEST_GAP + ANSWER_SECONDS, STALE_SECONDS + SAMPLE_SECONDS) + _BREACHING)
"""Longest time from the loss of the primary region until the alarm `region-impaired` fires, where the prober calls the
endpoint: the longest gap between two samples, a probe's time limit, the remaining periods, and the evaluation."""


def by_dns(interval: int, failures: int) -> timedelta:
    """Return the longest time until `region-impaired` fires, where the prober asks DNS what the health checkers find.

    Args:
        interval: Health check interval in seconds.
        failures: Consecutive failed checks after which an endpoint is unhealthy.
    """
    seen = by_health_checks(interval, failures) + timedelta(seconds=STATUS_TTL_SECONDS)
    return seen + timedelta(seconds=_LONGEST_GAP + _BREACHING)


def by_health_checks(interval: int, failures: int) -> timedelta:
    """Return the time until Route 53 health checks report an endpoint as unhealthy.

    Args:
        interval: Health check interval in seconds.
        failures: Consecutive failed checks after which an endpoint is unhealthy.
    """
    return timedelta(seconds=interval * failures)
