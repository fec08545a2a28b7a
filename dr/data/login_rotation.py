"""Rotation of the database's login: a new password in the secret, then in the database, then the secret's current one.

The order is that of Secrets Manager's own rotation functions (user guide, "How rotation works"): the new version gets
the label AWSPENDING, the database gets its password, and AWSCURRENT moves to it. So each password that the database may
have is in the secret. The ID of the new version follows from that of the current one. A repeated command continues with
the same password, and of two at the same time, only one creates it (API reference, PutSecretValue: a version that
exists cannot be changed).

The secret's primary region writes versions, and Secrets Manager copies them. The password is set where the database
writes, which may be the other region. `reset` needs the region that writes alone: it gives the database the password
that the region's secret has. This ends a rotation that the loss of the primary region interrupted.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import datetime

from dr.clients import Conflict, Missing, calls, client
from dr.control import lease
from dr.control.contract import DatabaseRecord
from dr.control.state_store import StateStore
from dr.data import global_database
from dr.data.database_login import (
    CONTINUE,
    PATIENCE_SECONDS,
    POLL_SECONDS,
    new_password,
    password_of,
    read_login,
    set_password,
)
from dr.data.model_sets import Report
from dr.data.regions import Place
from dr.data.secret_versions import (
    CURRENT,
    FIRST,
    IN_SYNC,
    PENDING,
    current_of,
    following_id,
    replication_of,
    replication_status,
    versions_of,
)
from dr.errors import Failed, Problem, Refused
from dr.names import CONTROL, restored_cluster_name


@dataclass(frozen=True)
class Rotation:
    """A rotation, or a reset, planned or done.

    Args:
        secret: Name of the secret.
        region: Region of which the secret is written, or read by a reset.
        replica: The other region; "" in a reset.
        writer: Identifier of the cluster that writes.
        writer_region: Its region.
        current: ID of the secret's current version.
        created: When that version was created.
        following: ID of the new version; "" in a reset.
        started: Whether the new version exists: an earlier command was interrupted.
        marked: Whether a version has the label `FIRST`.
        done: Whether it was executed.
    """

    secret: str
    region: str
    replica: str
    writer: str
    writer_region: str
    current: str
    created: datetime
    following: str = ""
    started: bool = False
    marked: bool = False
    done: bool = False

    @property
    def resets(self) -> bool:
        """Whether it sets the password of the current version again."""
        return not self.following


def with_password(login: str, password: str) -> str:
    """Return a login with another password, where everything else stays. Pure."""
    return json.dumps({**json.loads(login), "password": password})


@dataclass(frozen=True)
class Deployed:
    """Where the login and the database are.

    Args:
        home: The primary region and its buckets.
        away: The recovery region and its buckets.
        record: The primary region's part of the global database; None without one.
        own: The recovery region's part; None without one.
        prefix: Prefix of the deployment's names.
    """

    home: Place
    away: Place
    record: DatabaseRecord | None
    own: DatabaseRecord | None
    prefix: str

    @property
    def restored(self) -> str:
        """Identifier of the cluster that was restored in the recovery region; "" without one."""
        if self.own and self.own.cluster:
            return ""
        name = restored_cluster_name(self.prefix)
        return name if global_database.read_cluster(self.away.region, name) else ""


def plan(deployed: Deployed) -> Rotation:
    """Find what a rotation would do; nothing is changed.

    Raises:
        Refused: The deployment has no database, an operation runs, a database that was restored in the recovery region
            exists, the secret has a rotation of Secrets Manager, or its replica is not in sync.
        Unreachable: A region does not answer.
    """
    home, away, record = deployed.home, deployed.away, _present(deployed)
    held = lease.held_by(StateStore(away.region, away.buckets[CONTROL]).read())
    if held:
        # It may change which region writes.
        fact = f"{held.holder} runs an operation (run {held.run})"
        raise Refused(Problem("the database's login", fact, "wait until it ends, then run this command again"))
    if restored := deployed.restored:
        fact = f"{restored} in {away.region} has the same login, and only one database would get the new password"
        raise Refused(Problem("the database's login", fact, "fail back, or delete that cluster if it is not used"))
    subject = f"secret {record.secret} in {home.region}"
    with calls(subject, home.region):
        found = client("secretsmanager", home.region).describe_secret(SecretId=record.secret)
    if found.get("RotationEnabled"):
        fact = "Secrets Manager rotates it, and one of the two rotations would undo the other"
        raise Refused(Problem(subject, fact, "`aws secretsmanager cancel-rotate-secret`, or leave it to that rotation"))
    if (state := replication_of(found, away.region)) != IN_SYNC:
        fact = f"its replica in {away.region} is {state or 'missing'}: a failover would find another password"
        raise Refused(Problem(subject, fact, "`pulumi up -s primary` creates the replica; then run this command again"))
    versions = versions_of(home.region, record.secret)
    current, created = current_of(versions, subject)
    following = following_id(current)
    return Rotation(
        record.secret,
        home.region,
        away.region,
        *_writer(home.region, record),
        current,
        created,
        following,
        started=any(each["VersionId"] == following for each in versions),
        marked=any(FIRST in each["VersionStages"] for each in versions),
    )


def plan_reset(deployed: Deployed) -> Rotation:
    """Find which database a reset would give the password of its region's secret; nothing is changed.

    The global database is described by the recovery region. Only the region that writes is called besides.

    Raises:
        Refused: The deployment has no database.
        Missing: The region that writes has no such secret.
        Unreachable: A region does not answer.
    """
    record, away = _present(deployed), deployed.away
    if restored := deployed.restored:
        writer, region = restored, away.region
    elif deployed.own and deployed.own.cluster:
        writer, region = _writer(away.region, record)
    else:
        writer, region = record.cluster, deployed.home.region
    current, created = current_of(versions_of(region, record.secret), f"secret {record.secret} in {region}")
    return Rotation(record.secret, region, "", writer, region, current, created)


def _present(deployed: Deployed) -> DatabaseRecord:
    if deployed.record is None or not deployed.record.secret:
        remedy = "`pulumi config set dr:database aurora` in both stacks deploys one; then run `pulumi up`"
        raise Refused(Problem("the database", "the contract has none with a login", remedy))
    return deployed.record


def _writer(region: str, record: DatabaseRecord) -> tuple[str, str]:
    """Return identifier and region of the cluster that writes, as a region describes the global database."""
    database = global_database.read_global(region, record.global_cluster)
    if database.primary is None or database.change:
        fact = f"its writer is {database.writer}"
        raise Refused(Problem(f"global database {database.identifier}", fact, "wait until one cluster writes"))
    return database.primary.arn.rpartition(":")[2], database.primary.region


def execute(found: Rotation, report: Report) -> Rotation:
    """Rotate or reset the password.

    Raises:
        Failed: AWS refused a call, or an answer did not come in time; the same command continues.
        Unreachable: A region does not answer; the same command continues, or `--reset` returns to the former password.
    """
    if found.resets:
        login = read_login(found.region, found.secret)
        set_password(found.writer_region, found.writer, login, report)
        return replace(found, done=True)
    login = _stage(found)
    _wait_for_replica(found, report)
    set_password(found.writer_region, found.writer, login, report)
    _finish(found)
    _wait_for_replica(found, report, login)
    return replace(found, done=True)


def _stage(found: Rotation) -> str:
    """Create the new version, unless it exists, and return its text."""
    subject, secretsmanager = f"secret {found.secret}", client("secretsmanager", found.region)
    try:
        return read_login(found.region, found.secret, found.following)
    except Missing:
        former = read_login(found.region, found.secret, found.current)
        password_of(former, subject)
        login = with_password(former, new_password())
    try:
        with calls(subject, found.region):
            if not found.marked:
                secretsmanager.update_secret_version_stage(
                    SecretId=found.secret, VersionStage=FIRST, MoveToVersionId=found.current
                )
            secretsmanager.put_secret_value(
                SecretId=found.secret,
                ClientRequestToken=found.following,
                SecretString=login,
                VersionStages=[PENDING],
            )
    except Conflict:
        # Another process created it meanwhile, with another password.
        return read_login(found.region, found.secret, found.following)
    return login


def _finish(found: Rotation) -> None:
    """Make the new version the current one, unless another process did."""
    subject, secretsmanager = f"secret {found.secret}", client("secretsmanager", found.region)
    if current_of(versions_of(found.region, found.secret), subject)[0] == found.following:
        return
    with calls(subject, found.region):
        secretsmanager.update_secret_version_stage(
            SecretId=found.secret,
            VersionStage=CURRENT,
            MoveToVersionId=found.following,
            RemoveFromVersionId=found.current,
        )


def _wait_for_replica(found: Rotation, report: Report, login: str = "") -> None:
    """Wait until the replica is in sync, and with a login, until its current version is that."""
    end, subject = time.monotonic() + PATIENCE_SECONDS, f"secret {found.secret} in {found.replica}"
    while True:
        state = replication_status(found.region, found.secret, found.replica)
        if state == IN_SYNC and (not login or read_login(found.replica, found.secret) == login):
            return
        if time.monotonic() > end:
            raise Failed(Problem(subject, f"the replica has not the new version: {state or 'missing'}", CONTINUE))
        report(f"waiting for {subject}: {state}", None)
        time.sleep(POLL_SECONDS)
