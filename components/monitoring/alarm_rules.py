"""The alarms, as tables. Pure.

There are two kinds. Early warnings are in the region where AWS publishes the metric: S3 replication in the source's
region, Auto Scaling in the group's. They stop working when their region fails. Decisive alarms use metrics that the
prober publishes in the recovery region. Missing data sets them to INSUFFICIENT_DATA, which is neither healthy nor an
outage: a new alarm has no data yet. A prober that publishes nothing is reported by one alarm, on its runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from dr.control.levers import NAMESPACE
from dr.functions.prober import (
    COPY_METRIC,
    DATA_DIMENSION,
    ENDPOINT_METRIC,
    SENTINEL_METRIC,
    UNMEASURED_METRIC,
)
from dr.preflight.guards import PRIMARY_DOWN, PROBER_FAILING, RECOVERY_DOWN
from dr.topology import detection
from dr.topology.backups import DataClass
from dr.topology.databases import REPLICA_METRIC, REPLICA_NAMESPACE
from dr.topology.tiers import Tier

ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"
BREACHING, NOT_BREACHING, UNKNOWN = "breaching", "notBreaching", "missing"
"""Treatment of missing data. UNKNOWN sets the alarm's state to INSUFFICIENT_DATA."""
REPLICATION_SECONDS = 15 * 60
"""Design target of S3 Replication Time Control (S3 user guide): 99.99 % of objects within 15 minutes."""
PENDING_BYTES = 50 * 2**30
CPU_PERCENT, CPU_SECONDS, CPU_PERIODS = 75, 120, 2
"""CPU threshold, period and number of periods of the alarm on busy nodes (docs/requirements.md, "Alarms")."""
SHORT_MINUTES = 5
"""An instance is in service after about two minutes (measured: 80 to 120 s until its node is ready), unless capacity,
quota or addresses are exhausted."""
DATABASE_LAG = min(tier.spec.rpo for tier in Tier)
"""The strictest objective of a tier, so that a change of tier calls no CloudWatch."""
WATCHDOG_MINUTES = 10
CERTIFICATE_DAYS = 45
"""ACM renews 60 days before a certificate expires, and reports a failure from 45 days (ACM user guide, "Renewal for
domains validated by DNS")."""
FUNCTION_MINUTES = 2
"""A single missed run is not reported: EventBridge Scheduler may start a run up to a minute late."""


@dataclass(frozen=True)
class AlarmRule:
    """A metric alarm.

    Args:
        name: Subject; the last part of the alarm's name.
        description: Meaning of the alarm and what to do, for the person on call.
        namespace: Namespace of the metric.
        metric: Name of the metric.
        threshold: Number that the metric is compared with.
        comparison: Comparison operator.
        missing: Treatment of missing data.
        statistic: Statistic over a period.
        period: Length of a period in seconds.
        periods: Number of consecutive breaching periods.
        dimensions: Dimensions of the metric.
        subtract: Name of another metric with the same dimensions, subtracted from the first; "" for none.
        notifies: Whether changes of state notify the topic. An alarm that only serves a composite alarm does not.
        unknown_notifies: Whether INSUFFICIENT_DATA notifies the topic too.
    """

    name: str
    description: str
    namespace: str
    metric: str
    threshold: float
    comparison: str = ABOVE
    missing: str = UNKNOWN
    statistic: str = "Maximum"
    period: int = 60
    periods: int = 3
    dimensions: Mapping[str, str] = field(default_factory=dict)
    subtract: str = ""
    notifies: bool = True
    unknown_notifies: bool = False


def replication(pair: str, source: str, destination: str, rule: str) -> list[AlarmRule]:
    """Return the early warnings of one direction of a bucket pair.

    S3 publishes the metrics only while objects replicate, so missing data is not breaching (S3 user guide, "Monitoring
    replication with metrics").

    Args:
        pair: Name of the pair.
        source: Name of the source bucket.
        destination: Name of the destination bucket.
        rule: ID of the replication rule.
    """
    dimensions = {"SourceBucket": source, "DestinationBucket": destination, "RuleId": rule}
    late = f"{pair}: objects have waited for replication for more than {REPLICATION_SECONDS // 60} minutes"
    failed = f"{pair}: S3 failed to replicate objects and does not retry; copy them by S3 Batch Replication"
    pending = f"{pair}: more than {PENDING_BYTES // 2**30} GiB wait for replication"
    table = [
        ("late", late, "ReplicationLatency", REPLICATION_SECONDS, "Maximum", 3),
        ("failed", failed, "OperationsFailedReplication", 0, "Sum", 1),
        ("pending", pending, "BytesPendingReplication", PENDING_BYTES, "Maximum", 3),
    ]
    return [
        AlarmRule(
            f"{pair}-replication-{subject}",
            description,
            "AWS/S3",
            metric,
            threshold,
            missing=NOT_BREACHING,
            statistic=statistic,
            periods=periods,
            dimensions=dimensions,
        )
        for subject, description, metric, threshold, statistic, periods in table
    ]


def busy_nodes(zone: str, group: str) -> AlarmRule:
    """Return the alarm on busy GPU nodes (docs/requirements.md, "Alarms"); a group without nodes publishes no data."""
    return AlarmRule(
        f"nodes-busy-{zone}",
        f"GPU nodes of zone {zone} have used more than {CPU_PERCENT} % CPU for "
        f"{CPU_PERIODS * CPU_SECONDS // 60} minutes: check the queue, and why the Auto Scaling group does not grow",
        "AWS/EC2",
        "CPUUtilization",
        CPU_PERCENT,
        missing=NOT_BREACHING,
        statistic="Average",
        period=CPU_SECONDS,
        periods=CPU_PERIODS,
        dimensions={"AutoScalingGroupName": group},
    )


def busy_workers(fleet: str, group: str) -> AlarmRule:
    """Return the alarm on busy workers (docs/requirements.md, "Alarms"), which also adds an instance."""
    return replace(
        busy_nodes("", group),
        name=f"workers-{fleet}-busy",
        description=f"workers {fleet} have used more than {CPU_PERCENT} % CPU for {CPU_PERIODS * CPU_SECONDS // 60} "
        "minutes: an instance is added; if it does not start, the activities of the Auto Scaling group name the cause",
    )


def alerting_silent(topic: str) -> AlarmRule:
    """Return the alarm on alerts of a cluster that do not arrive: Prometheus, Alertmanager or their way to SNS failed.

    Prometheus's alert `Watchdog` always fires, and Alertmanager repeats it every minute to a topic of its own. SNS
    publishes this metric only while messages arrive (SNS developer guide, "Monitoring Amazon SNS topics using
    CloudWatch"), so INSUFFICIENT_DATA is the failure, and notifies. A new alarm starts in that state without a message.

    Args:
        topic: Name of the topic.
    """
    return AlarmRule(
        "alerting-silent",
        f"no Watchdog of Prometheus has arrived for {WATCHDOG_MINUTES} minutes: alerts of the cluster are not sent. "
        "Look at the pods of Prometheus and Alertmanager in the namespace monitoring",
        "AWS/SNS",
        "NumberOfMessagesPublished",
        1,
        BELOW,
        statistic="Sum",
        period=300,
        periods=WATCHDOG_MINUTES // 5,
        dimensions={"TopicName": topic},
        unknown_notifies=True,
    )


def certificate_expiring(arn: str) -> AlarmRule:
    """Return the alarm on a certificate that ACM does not renew, or that was imported.

    ACM publishes the metric twice a day until the certificate has expired (ACM user guide, "Supported CloudWatch
    metrics"), so INSUFFICIENT_DATA means that it has expired or is gone, and notifies.

    Args:
        arn: ARN of the certificate.
    """
    return AlarmRule(
        "certificate-expiring",
        f"the certificate of the inference endpoint expires in less than {CERTIFICATE_DAYS} days, and ACM has not "
        "renewed it: check that the zone is delegated, and that it has the certificate's validation records",
        "AWS/CertificateManager",
        "DaysToExpiry",
        CERTIFICATE_DAYS,
        BELOW,
        period=24 * 60 * 60,
        periods=1,
        dimensions={"CertificateArn": arn},
        unknown_notifies=True,
    )


DESIRED, IN_SERVICE = "GroupDesiredCapacity", "GroupInServiceInstances"


def missing_nodes(zone: str, group: str) -> AlarmRule:
    """Return the alarm on desired GPU nodes that are not in service.

    A pending or terminating instance is not in service (EC2 Auto Scaling user guide, "Amazon CloudWatch metrics for
    Amazon EC2 Auto Scaling"), so the difference is brief while a group grows, and lasts when capacity is exhausted.
    """
    return AlarmRule(
        f"nodes-short-{zone}",
        f"desired GPU nodes of zone {zone} are not in service after {SHORT_MINUTES} minutes: no capacity, quota or "
        "address; the cause is in the Auto Scaling group's activities. Another type in dr:gpuInstanceTypes may have "
        "capacity",
        "AWS/AutoScaling",
        DESIRED,
        0,
        statistic="Minimum",
        periods=SHORT_MINUTES,
        dimensions={"AutoScalingGroupName": group},
        subtract=IN_SERVICE,
        unknown_notifies=True,
    )


def gpu_group_rules(zone: str, group: str) -> list[AlarmRule]:
    """Return the alarms on the Auto Scaling group of a zone's GPU nodes.

    Args:
        zone: Letter of the zone.
        group: Name of the Auto Scaling group.
    """
    return [busy_nodes(zone, group), missing_nodes(zone, group)]


def endpoint_down(name: str, description: str, workload: str, region: str) -> AlarmRule:
    """Return the alarm on an inference endpoint that has not responded once in three minutes of probes."""
    dimensions = {"Workload": workload, "Region": region}
    return AlarmRule(name, description, NAMESPACE, ENDPOINT_METRIC, 1, BELOW, dimensions=dimensions)


def witnesses(workload: str, primary: str) -> list[AlarmRule]:
    """Return the two alarms that detect the loss of the primary region within the detection budget of each tier.

    Args:
        workload: Value of the metrics' dimension `Workload`.
        primary: The primary region.
    """
    dimensions = {"Workload": workload}
    endpoint = AlarmRule(
        detection.SILENT,
        f"inference in {primary} does not respond to probes; one of the two witnesses of region-impaired",
        NAMESPACE,
        ENDPOINT_METRIC,
        1,
        BELOW,
        dimensions={**dimensions, "Region": primary},
    )
    replicated = AlarmRule(
        detection.STALE,
        f"no object written in {primary} in the last {detection.STALE_SECONDS} s has been replicated; one of the two "
        "witnesses of region-impaired",
        NAMESPACE,
        SENTINEL_METRIC,
        detection.STALE_SECONDS,
        dimensions=dimensions,
    )
    return [
        replace(each, period=detection.SAMPLE_SECONDS, periods=detection.PERIODS, notifies=False)
        for each in (endpoint, replicated)
    ]


def function_failing(subject: str, description: str, name: str) -> AlarmRule:
    """Return the alarm on a function that fails or does not run; each run publishes its number of errors."""
    return AlarmRule(
        f"{subject}-failing",
        description,
        "AWS/Lambda",
        "Errors",
        0,
        missing=BREACHING,
        statistic="Sum",
        periods=FUNCTION_MINUTES,
        dimensions={"FunctionName": name},
    )


def heartbeat_failing(name: str) -> AlarmRule:
    """Return the alarm on the heartbeat, in the primary region; `sentinel-late` in the recovery region follows."""
    return function_failing(
        "heartbeat",
        "the heartbeat fails or does not run: the age of replicated data is not measured. Look at its log, and at the "
        "policy of its role and of the control bucket's key",
        name,
    )


def dead_letters(queue: str) -> AlarmRule:
    """Return the alarm on events that a function could not process in three attempts, or that did not reach a target.

    SQS publishes the metric while the queue is active (SQS developer guide, "Available CloudWatch metrics for Amazon
    SQS"), so missing data is not breaching.

    Args:
        queue: Name of the queue.
    """
    return AlarmRule(
        "dead-letters",
        "a function could not process an event in three attempts, or an event did not reach its target: the queue "
        f"{queue} has its record. Fix the cause, run the event again or delete it (docs/how-to/dead-letters.md)",
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        0,
        missing=NOT_BREACHING,
        periods=1,
        dimensions={"QueueName": queue},
    )


SENTINEL, COPIES, DATABASE = "sentinel-late", "copies-late", "database-late"
UNMEASURED = "unmeasured"
PROBER, LEVERS, AUTOMATION = "prober", "levers", "automation"


def recovery_region_rules(
    workload: str,
    primary: str,
    recovery: str,
    functions: Mapping[str, str],
    copies: Mapping[DataClass, timedelta],
    copied: Sequence[DataClass],
) -> list[AlarmRule]:
    """Return the alarms on metrics that are published in the recovery region; the same ones in every tier.

    In a tier that does not serve, the prober publishes no data about the recovery region's endpoint.

    Args:
        workload: Value of the metrics' dimension `Workload`: `dr:bucketPrefix`.
        primary: The primary region.
        recovery: The recovery region.
        functions: Names of the functions, by `PROBER`, `LEVERS` and, where it is deployed, `AUTOMATION`.
        copies: Objective of the age of the newest backup copy, by class of data.
        copied: Classes that the deployment has resources of: they are measured before their first copy too.
    """
    dimensions = {"Workload": workload}
    return [
        *witnesses(workload, primary),
        endpoint_down(
            PRIMARY_DOWN,
            f"inference in {primary} has not responded to probes from {recovery} for three minutes",
            workload,
            primary,
        ),
        endpoint_down(
            RECOVERY_DOWN,
            f"inference in {recovery} has not responded for three minutes: a failover would not help",
            workload,
            recovery,
        ),
        AlarmRule(
            SENTINEL,
            f"no object written in {primary} in the last {REPLICATION_SECONDS // 60} minutes has been replicated to "
            f"{recovery}: a failover now would lose that data",
            NAMESPACE,
            SENTINEL_METRIC,
            REPLICATION_SECONDS,
            dimensions=dimensions,
        ),
        *(copies_late(data, objective, workload, recovery, data in copied) for data, objective in copies.items()),
        AlarmRule(
            UNMEASURED,
            "the prober runs but cannot measure something: its log names what and why",
            NAMESPACE,
            UNMEASURED_METRIC,
            0,
            periods=5,
            dimensions=dimensions,
        ),
        function_failing(PROBER, "the prober fails or does not run: its metrics are unknown", functions[PROBER]),
        function_failing(LEVERS, "levers are not published: DNS records keep their last status", functions[LEVERS]),
        *(
            [
                function_failing(
                    AUTOMATION,
                    "automation cannot decide or start, or its last build failed: on a loss of "
                    f"{primary}, an operator runs dr failover. The logs of the function and the builds name the cause",
                    functions[AUTOMATION],
                )
            ]
            if AUTOMATION in functions
            else []
        ),
    ]


def copies_name(data: DataClass) -> str:
    """Return the name of the alarm on late copies of a class of data."""
    return COPIES if data is DataClass.OBJECTS else f"{COPIES}-{data}"


def copies_late(data: DataClass, objective: timedelta, workload: str, recovery: str, copied: bool) -> AlarmRule:
    """Return the alarm on late backup copies of a class of data.

    The prober measures a class that has to be copied always, and `unmeasured` reports if not. It measures another class
    once a copy of it has arrived. INSUFFICIENT_DATA then means that the last copy is gone, or that it cannot be
    measured, and notifies.

    Args:
        data: The class.
        objective: Objective of the age of its newest copy.
        workload: Value of the metrics' dimension `Workload`.
        recovery: The recovery region.
        copied: Whether the deployment has resources of the class.
    """
    objects = data is DataClass.OBJECTS
    first = ", or none arrived in the first ones" if copied else ""
    return AlarmRule(
        copies_name(data),
        f"the newest backup copy of {data} in {recovery} is older than {objective // timedelta(hours=1)} hours{first}: "
        "look at the backup and copy jobs of AWS Backup in the primary region",
        NAMESPACE,
        COPY_METRIC,
        int(objective.total_seconds()),
        period=300,
        periods=1,
        dimensions={"Workload": workload, **({} if objects else {DATA_DIMENSION: str(data)})},
        unknown_notifies=not copied,
    )


def database_late(cluster: str, primary: str, recovery: str) -> AlarmRule:
    """Return the alarm on the lag of the database's replica, of the metric that AWS publishes in its region.

    INSUFFICIENT_DATA means that the cluster no longer follows, because it was promoted or detached, and notifies.

    Args:
        cluster: Identifier of the secondary cluster.
        primary: The primary region.
        recovery: The recovery region.
    """
    return AlarmRule(
        DATABASE,
        f"the database in {recovery} is more than {DATABASE_LAG // timedelta(minutes=1)} minutes behind {primary}: "
        "a failover now would lose that data. Look at the writer's load, and at the state of the global database",
        REPLICA_NAMESPACE,
        REPLICA_METRIC,
        int(DATABASE_LAG.total_seconds() * 1000),
        dimensions={"DBClusterIdentifier": cluster},
        unknown_notifies=True,
    )


@dataclass(frozen=True)
class CompositeRule:
    """A composite alarm.

    Args:
        name: Last part of the alarm's name.
        description: Meaning of the alarm and what to do.
        any_of: Names of alarms of which at least one must be in alarm.
        all_of: Names of alarms that must all be in alarm.
        none_of: Names of alarms that must not be in alarm.
    """

    name: str
    description: str
    any_of: Sequence[str] = ()
    all_of: Sequence[str] = ()
    none_of: Sequence[str] = ()

    def expression(self, prefix: str) -> str:
        """Return the rule expression of CloudWatch."""
        parts = [f'ALARM("{prefix}-{name}")' for name in self.all_of]
        parts += [f'NOT ALARM("{prefix}-{name}")' for name in self.none_of]
        if self.any_of:
            one = " OR ".join(f'ALARM("{prefix}-{name}")' for name in self.any_of)
            parts.append(f"({one})" if parts else one)
        return " AND ".join(parts)


def composites(
    primary: str, recovery: str, functions: Iterable[str] = (), *, database: bool = False
) -> list[CompositeRule]:
    """Return the composite alarms, on which the decision to fail over is based.

    An impaired region is reported by two independent alarms, on its endpoint and on its replication, while the prober
    works. One of them alone may be caused by a faulty deployment or by the prober.

    Args:
        primary: The primary region.
        recovery: The recovery region.
        functions: Subjects of the deployed functions.
        database: Whether the recovery region has a replica of the database.
    """
    risks = [
        SENTINEL,
        *([DATABASE] if database else []),
        *(copies_name(data) for data in DataClass),
        UNMEASURED,
        PROBER_FAILING,
        f"{LEVERS}-failing",
        RECOVERY_DOWN,
        *([f"{AUTOMATION}-failing"] if AUTOMATION in functions else []),
    ]
    return [
        CompositeRule(
            "recovery-at-risk",
            f"a failover to {recovery} would miss its objectives: fix the cause before an incident",
            any_of=risks,
        ),
        CompositeRule(
            detection.IMPAIRED,
            f"{primary} neither serves inference nor replicates data: decide on a failover to {recovery}",
            all_of=[detection.SILENT, detection.STALE],
            none_of=[PROBER_FAILING],
        ),
    ]
