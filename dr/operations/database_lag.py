"""How far a region's database is behind: the replication lag of a replica, or the age of the newest snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta

from dr.clients import calls, client
from dr.data import global_database
from dr.errors import Failed, Problem
from dr.operations.scene import Scene
from dr.topology.backups import DataClass
from dr.topology.databases import REPLICA_METRIC, REPLICA_NAMESPACE
from dr.topology.tiers import describe_duration

WINDOW = timedelta(minutes=15)
"""An older value says nothing about the time of a loss."""
PERIOD_SECONDS = 60


def behind(scene: Scene, at: datetime) -> tuple[timedelta, timedelta, str]:
    """Return how far the recovery region's database was behind at a time, its objective, and what was measured.

    Args:
        scene: The recovery region, with a database.
        at: The time, by CloudWatch's clock: that of the loss, or now.

    Raises:
        Failed: Nothing was measured.
        Unreachable: The region does not answer.
    """
    away, home = scene.recovery.database, scene.primary.database
    if away and away.cluster:
        value = lag(scene.region, away.cluster, at)
        return value, scene.tier.spec.rpo, f"{away.cluster} was {value.total_seconds():g} s behind"
    cluster = home.cluster if home else ""
    found = global_database.newest_snapshot(scene.region, cluster)
    if found is None:
        remedy = "the backup plan of the class databases copies snapshots: `dr check`"
        raise Failed(Problem(f"snapshots of {cluster}", f"{scene.region} has none", remedy))
    age = max(timedelta(0), at - found.created)
    objective = scene.primary.backups.get(DataClass.DATABASES)
    rpo = timedelta(hours=objective.rpo_hours) if objective else scene.tier.spec.rpo
    return age, rpo, f"the newest snapshot in {scene.region} was {describe_duration(age)} old"


def lag(region: str, cluster: str, at: datetime) -> timedelta:
    """Return the last replication lag of a secondary cluster before a time.

    Args:
        region: Region of the cluster.
        cluster: Its identifier.
        at: The time.

    Raises:
        Failed: CloudWatch has no value of the minutes before.
        Unreachable: The region does not answer.
    """
    query = {
        "Id": "lag",
        "MetricStat": {
            "Metric": {
                "Namespace": REPLICA_NAMESPACE,
                "MetricName": REPLICA_METRIC,
                "Dimensions": [{"Name": "DBClusterIdentifier", "Value": cluster}],
            },
            "Period": PERIOD_SECONDS,
            "Stat": "Maximum",
        },
    }
    with calls(f"lag of {cluster}", region):
        answer = client("cloudwatch", region).get_metric_data(
            MetricDataQueries=[query], StartTime=at - WINDOW, EndTime=at, ScanBy="TimestampDescending"
        )
    values = [value for result in answer["MetricDataResults"] for value in result["Values"]]
    if not values:
        fact = f"CloudWatch has no {REPLICA_METRIC} of the {describe_duration(WINDOW)} before {at:%H:%M:%S} UTC"
        raise Failed(Problem(f"lag of {cluster}", fact, "find it by other means: aurora_global_db_status()"))
    return timedelta(milliseconds=values[0])
