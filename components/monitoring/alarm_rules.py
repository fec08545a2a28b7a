"""What is alarmed, as a table. Pure.

Two kinds. Early warnings are where AWS publishes the metric: S3 replication at the source, Auto Scaling in the group's
region; they go blind with their region. What decides is measured from the recovery region by the prober, and there a
gap counts as trouble: a region that cannot be measured must not look well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dr.control.levers import NAMESPACE
from dr.functions.prober import COPY_METRIC, ENDPOINT_METRIC, SENTINEL_METRIC, UNMEASURED_METRIC
from dr.preflight.guards import PRIMARY_DOWN, PROBER_FAILING, RECOVERY_DOWN

ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"
BREACHING, NOT_BREACHING, UNKNOWN = "breaching", "notBreaching", "missing"
"""What a gap counts as; the last makes the alarm's state INSUFFICIENT_DATA, which is told too."""
REPLICATION_SECONDS = 15 * 60
"""What S3 Replication Time Control is built for (S3 user guide): 99.99 % of objects within 15 minutes."""
PENDING_BYTES = 50 * 2**30
CPU_PERCENT, CPU_SECONDS, CPU_PERIODS = 75, 120, 2
"""docs/requirements.md, "Alarms"."""
COPY_SECONDS = 26 * 3600
"""Two backups a day, with room for the second to fail and the next to be made."""
SHORT_MINUTES = 5
"""An instance is in service within two minutes (80 to 120 s until its node is ready); one that has no capacity,
no quota or no address never is."""
FUNCTION_MINUTES = 2
"""Fewer than the witnesses of an impaired region take: a prober that stops must be known of before its gaps count."""


@dataclass(frozen=True)
class AlarmRule:
    """One metric alarm.

    Args:
        name: What it is about: part of the alarm's name.
        says: What it means when it fires, for whoever is woken.
        namespace: The metric's namespace.
        metric: The metric's name.
        minus: Another one of the same dimensions, which is subtracted from it.
        dimensions: The metric's dimensions.
        threshold: The number it is compared with.
        comparison: How.
        missing: What a gap counts as.
        statistic: Of the values of a period.
        period: Seconds.
        periods: How many in a row.
    """

    name: str
    says: str
    namespace: str
    metric: str
    threshold: float
    comparison: str = ABOVE
    missing: str = BREACHING
    statistic: str = "Maximum"
    period: int = 60
    periods: int = 3
    dimensions: Mapping[str, str] = field(default_factory=dict)
    minus: str = ""


def replication(pair: str, source: str, destination: str, rule: str) -> list[AlarmRule]:
    """Early warnings of one direction of a bucket pair (S3 user guide, "Monitoring replication with metrics").

    The metrics are there only while something replicates, so a gap is peace.

    Args:
        pair: The pair's name.
        source: The bucket that is written to.
        destination: Its replica.
        rule: Id of the replication rule.
    """
    of = {"SourceBucket": source, "DestinationBucket": destination, "RuleId": rule}
    late = f"{pair}: what was written last is not in the other region after {REPLICATION_SECONDS // 60} minutes"
    failed = f"{pair}: objects were not replicated and will not be by themselves; S3 Batch Replication copies them"
    pending = f"{pair}: {PENDING_BYTES // 2**30} GiB wait to be replicated"
    told = [
        ("late", late, "ReplicationLatency", REPLICATION_SECONDS, "Maximum", 3),
        ("failed", failed, "OperationsFailedReplication", 0, "Sum", 1),
        ("pending", pending, "BytesPendingReplication", PENDING_BYTES, "Maximum", 3),
    ]
    return [
        AlarmRule(
            f"{pair}-replication-{what}",
            says,
            "AWS/S3",
            metric,
            threshold,
            missing=NOT_BREACHING,
            statistic=statistic,
            periods=periods,
            dimensions=of,
        )
        for what, says, metric, threshold, statistic, periods in told
    ]


def busy_nodes(group: str) -> AlarmRule:
    """Alarm for busy GPU nodes (docs/requirements.md, "Alarms"); a group without nodes has no data."""
    return AlarmRule(
        "nodes-busy",
        f"GPU nodes have used {CPU_PERCENT} % CPU for {CPU_PERIODS * CPU_SECONDS // 60} minutes: look at the queue, "
        "and at why the group does not grow",
        "AWS/EC2",
        "CPUUtilization",
        CPU_PERCENT,
        missing=NOT_BREACHING,
        statistic="Average",
        period=CPU_SECONDS,
        periods=CPU_PERIODS,
        dimensions={"AutoScalingGroupName": group},
    )


DESIRED, IN_SERVICE = "GroupDesiredCapacity", "GroupInServiceInstances"


def short_of_nodes(group: str) -> AlarmRule:
    """GPU nodes that were asked for and did not come.

    An instance that is pending or terminating is not in service (EC2 Auto Scaling user guide, "Amazon CloudWatch
    metrics for Amazon EC2 Auto Scaling"), so growing is a gap that closes, and a lack of capacity one that stays.
    """
    return AlarmRule(
        "nodes-short",
        f"GPU nodes that were asked for {SHORT_MINUTES} minutes ago are not there: no capacity, quota or address; the "
        "group's scaling activities say which. Another type in dr:gpuInstanceTypes may have capacity",
        "AWS/AutoScaling",
        DESIRED,
        0,
        missing=UNKNOWN,
        statistic="Minimum",
        periods=SHORT_MINUTES,
        dimensions={"AutoScalingGroupName": group},
        minus=IN_SERVICE,
    )


def of_group(group: str) -> list[AlarmRule]:
    """What is alarmed of the GPU nodes' Auto Scaling group."""
    return [busy_nodes(group), short_of_nodes(group)]


def endpoint(name: str, says: str, workload: str, region: str) -> AlarmRule:
    """A region that does not answer, as seen from the recovery region."""
    of = {"Workload": workload, "Region": region}
    return AlarmRule(name, says, NAMESPACE, ENDPOINT_METRIC, 1, BELOW, statistic="Minimum", dimensions=of)


def function(what: str, says: str, name: str) -> AlarmRule:
    """A function that fails or does not run: each run counts its errors, and without a run there is no count."""
    of = {"FunctionName": name}
    return AlarmRule(
        f"{what}-failing",
        says,
        "AWS/Lambda",
        "Errors",
        0,
        statistic="Sum",
        periods=FUNCTION_MINUTES,
        dimensions=of,
    )


SENTINEL, COPIES = "sentinel-late", "copies-late"
UNMEASURED = "unmeasured"
PROBER, LEVERS = "prober", "levers"


def decisive(
    workload: str, primary: str, recovery: str, functions: Mapping[str, str], serving: bool
) -> list[AlarmRule]:
    """What is measured from the recovery region.

    Args:
        workload: Whose metrics: `dr:bucketPrefix`.
        primary: The primary region.
        recovery: The recovery region.
        functions: Names of the functions, by `PROBER` and `LEVERS`.
        serving: Whether the recovery region's tier serves.
    """
    own = {"Workload": workload}
    rules = [
        endpoint(
            PRIMARY_DOWN,
            f"inference in {primary} has not answered for three minutes, as seen from {recovery}",
            workload,
            primary,
        ),
        AlarmRule(
            SENTINEL,
            f"nothing written in {primary} in the last {REPLICATION_SECONDS // 60} minutes has arrived in {recovery}: "
            "a failover now would lose it",
            NAMESPACE,
            SENTINEL_METRIC,
            REPLICATION_SECONDS,
            dimensions=own,
        ),
        AlarmRule(
            COPIES,
            f"the newest backup copy in {recovery} is older than {COPY_SECONDS // 3600} hours",
            NAMESPACE,
            COPY_METRIC,
            COPY_SECONDS,
            # An empty vault is what a new deployment has until its first backup; one that cannot be read is unmeasured.
            missing=NOT_BREACHING,
            period=300,
            periods=1,
            dimensions=own,
        ),
        AlarmRule(
            UNMEASURED,
            "the prober runs, and something that it looks at cannot be measured: its log says what and why",
            NAMESPACE,
            UNMEASURED_METRIC,
            0,
            periods=5,
            dimensions=own,
        ),
        function(PROBER, "the prober fails or does not run: what it would measure is unknown", functions[PROBER]),
        function(LEVERS, "levers are not published: records stay as they were last", functions[LEVERS]),
    ]
    if serving:
        says = f"inference in {recovery} has not answered for three minutes: there is nowhere to fail over to"
        rules.append(endpoint(RECOVERY_DOWN, says, workload, recovery))
    return rules


@dataclass(frozen=True)
class CompositeRule:
    """An alarm on alarms.

    Args:
        name: Part of its name.
        says: What it means when it fires.
        any_of: Names of rules of which one is enough.
        all_of: Names of rules that must all fire.
        none_of: Names of rules that must not.
    """

    name: str
    says: str
    any_of: Sequence[str] = ()
    all_of: Sequence[str] = ()
    none_of: Sequence[str] = ()

    def expression(self, prefix: str) -> str:
        """The rule as CloudWatch takes it."""
        parts = [f'ALARM("{prefix}-{name}")' for name in self.all_of]
        parts += [f'NOT ALARM("{prefix}-{name}")' for name in self.none_of]
        if self.any_of:
            one = " OR ".join(f'ALARM("{prefix}-{name}")' for name in self.any_of)
            parts.append(f"({one})" if parts else one)
        return " AND ".join(parts)


def composites(primary: str, recovery: str, serving: bool) -> list[CompositeRule]:
    """What a person decides by.

    An impaired region has two witnesses that have nothing in common, its endpoint and its writes, and a prober that
    works: one alone may be a bad deployment, or the prober's own trouble.
    """
    risks = [
        SENTINEL,
        COPIES,
        UNMEASURED,
        PROBER_FAILING,
        f"{LEVERS}-failing",
        *([RECOVERY_DOWN] if serving else ()),
    ]
    return [
        CompositeRule(
            "recovery-at-risk",
            f"a failover to {recovery} would not keep its objectives: mend this while nothing is wrong elsewhere",
            any_of=risks,
        ),
        CompositeRule(
            "region-impaired",
            f"{primary} neither answers nor writes: decide on failing over to {recovery}",
            all_of=[PRIMARY_DOWN, SENTINEL],
            none_of=[PROBER_FAILING],
        ),
    ]
