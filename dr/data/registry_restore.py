"""The model registry as it was at a time: its database in a new cluster, and its artifacts in their bucket.

RDS restores a cluster to a time only as a new one (Aurora user guide, "Restoring a DB cluster to a specified time"), so
the present one stays as it is. Artifacts get their versions of the same time on top, by `prefix_restore`. MLflow
writes the row of a run before its artifacts, so rows in progress at that time may lack some.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dr.clients import calls, client
from dr.control.contract import DatabaseRecord
from dr.data import database_login, global_database, prefix_restore
from dr.data.global_database import AVAILABLE
from dr.data.model_sets import Report
from dr.data.prefix_restore import Restore
from dr.errors import Exit, Failed, Problem, Refused

POLL_SECONDS = 5.0
PATIENCE_SECONDS = 7200.0
"""Longest wait for a cluster or an instance; the same command continues. It depends on the volume of the data."""


@dataclass(frozen=True)
class Wanted:
    """What to restore.

    Args:
        artifacts: The restore of the artifacts, which has region and time.
        database: The region's part of the global database.
    """

    artifacts: prefix_restore.Wanted
    database: DatabaseRecord

    @property
    def cluster(self) -> str:
        """Identifier of the new cluster: the same for the same command."""
        return f"{self.database.cluster}-{self.artifacts.at.astimezone(UTC):%Y%m%d%H%M%S}"

    @property
    def instance(self) -> str:
        """Identifier of its instance."""
        return f"{self.cluster}-1"


@dataclass(frozen=True)
class RegistryRestore:
    """A plan, and what its execution did.

    Args:
        wanted: What to restore.
        artifacts: The restore of the artifacts.
        earliest: Earliest time to which the cluster can be restored.
        latest: Latest such time.
        endpoint: Endpoint of the new cluster; "" before it is available.
    """

    wanted: Wanted
    artifacts: Restore
    earliest: datetime
    latest: datetime
    endpoint: str = ""

    @property
    def to_write(self) -> int:
        """Number of versions to write, and one for a cluster to create."""
        return self.artifacts.to_write + (not self.endpoint)

    @property
    def refusal(self) -> Refused | None:
        """Why the plan cannot be executed; None if it can."""
        problems = list(self.artifacts.refusal.problems) if self.artifacts.refusal else []
        at = self.wanted.artifacts.at
        if not self.endpoint and not self.earliest <= at <= self.latest:
            subject = f"database cluster {self.wanted.database.cluster}"
            times = f"from {self.earliest:%Y-%m-%dT%H:%M:%SZ} to {self.latest:%Y-%m-%dT%H:%M:%SZ}"
            fact = f"RDS can restore it {times}, and not to {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            problems.append(Problem(subject, fact, "use a time between them"))
        return Refused(*problems) if problems else None

    @property
    def exit_code(self) -> Exit:
        """Exit code of the command."""
        return self.artifacts.exit_code


def plan(wanted: Wanted, report: Report) -> RegistryRestore:
    """Find out what is to be done; nothing is changed.

    Raises:
        Missing: The cluster or the bucket does not exist.
        Refused: The bucket has no versioning.
        Unreachable: The region does not answer.
    """
    about = _describe(wanted.artifacts.region, wanted.database.cluster)
    artifacts = prefix_restore.plan(wanted.artifacts, report)
    made = global_database.read_cluster(wanted.artifacts.region, wanted.cluster)
    ready = made is not None and made.status == AVAILABLE and _available(wanted)
    times = about["EarliestRestorableTime"], about["LatestRestorableTime"]
    return RegistryRestore(wanted, artifacts, *times, made.endpoint if made and ready else "")


def execute(found: RegistryRestore, report: Report) -> RegistryRestore:
    """Do what a plan found.

    Raises:
        Refused: The plan cannot be executed.
        Failed: RDS refused a call, or the cluster does not become available.
        Unreachable: The region does not answer; the same command continues.
    """
    if refusal := found.refusal:
        raise refusal
    wanted, region = found.wanted, found.wanted.artifacts.region
    if global_database.read_cluster(region, wanted.cluster) is None:
        _create_cluster(wanted)
    _wait(report, f"{wanted.cluster} in {region}", lambda: _status(wanted) == AVAILABLE)
    made = global_database.read_cluster(region, wanted.cluster)
    if made is not None and not made.instances:
        database_login.renew_restored(region, wanted.cluster, wanted.database.secret, report)
        global_database.create_instance(region, wanted.cluster, wanted.instance, wanted.database.instance_class)
    _wait(report, f"{wanted.instance} in {region}", lambda: _available(wanted))
    artifacts = prefix_restore.execute(found.artifacts, report)
    return replace(found, artifacts=artifacts, endpoint=made.endpoint if made else "")


def _create_cluster(wanted: Wanted) -> None:
    record = wanted.database
    optional: Mapping[str, Any] = {
        "DBSubnetGroupName": record.subnet_group,
        "VpcSecurityGroupIds": list(record.security_groups),
        "KmsKeyId": record.key,
    }
    with calls(f"database cluster {wanted.cluster}", wanted.artifacts.region):
        client("rds", wanted.artifacts.region).restore_db_cluster_to_point_in_time(
            DBClusterIdentifier=wanted.cluster,
            SourceDBClusterIdentifier=record.cluster,
            RestoreToTime=wanted.artifacts.at,
            DeletionProtection=True,
            CopyTagsToSnapshot=True,
            **{name: value for name, value in optional.items() if value},
        )


def _describe(region: str, cluster: str) -> dict[str, Any]:
    with calls(f"database cluster {cluster}", region):
        found = client("rds", region).describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
    return dict(found[0])


def _status(wanted: Wanted) -> str:
    found = global_database.read_cluster(wanted.artifacts.region, wanted.cluster)
    return found.status if found else ""


def _available(wanted: Wanted) -> bool:
    return global_database.instance_status(wanted.artifacts.region, wanted.instance) == AVAILABLE


def _wait(report: Report, title: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise Failed(Problem(title, "it is not available yet", "run the same command again: it continues"))
        report(f"waiting for {title}", None)
        time.sleep(POLL_SECONDS)
