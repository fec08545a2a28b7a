"""The login of the database's master user: its password, and how a cluster gets a new one.

RDS applies a password asynchronously (API reference, ClusterPendingModifiedValues), without a network path from here to
the database. A secondary cluster takes none (`Cannot specify password for cross region replication cluster`): it has
that of the writer, by replication of the storage.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from dr.clients import calls, client
from dr.data.global_database import AVAILABLE
from dr.data.model_sets import Report
from dr.data.secret_versions import CURRENT
from dr.errors import DrError, Failed, Invalid, Problem

PASSWORD_BYTES = 24
POLL_SECONDS = 2.0
PATIENCE_SECONDS = 900.0
"""Longest wait for a cluster or a replica of the secret; the same command continues."""
RESTORED_PATIENCE_SECONDS = 120.0
"""The same for a cluster that an operation restored: a failover does not wait longer for a password."""
CONTINUE = "run the same command again: it continues"


def new_password() -> str:
    """Return a random password that RDS accepts: letters, digits, - and _."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def password_of(login: str, subject: str) -> str:
    """Return the password of a login. Pure.

    Args:
        login: The secret's text.
        subject: The secret, for messages.

    Raises:
        Invalid: It is not a login with a password.
    """
    try:
        return str(json.loads(login)["password"])
    except (ValueError, KeyError, TypeError):
        # Without the cause: it could repeat a part of the secret.
        remedy = "store a JSON object with username, password, dbname and port"
        raise Invalid(Problem(subject, "it is not a JSON object with a password", remedy)) from None


def read_login(region: str, secret: str, version: str = "") -> str:
    """Return the text of a secret: the current version, or the one with an ID.

    Raises:
        Missing: The region has no such secret or version.
        Failed: It cannot be read.
        Unreachable: The region does not answer.
    """
    which: dict[str, str] = {"VersionId": version} if version else {"VersionStage": CURRENT}
    with calls(f"secret {secret}", region):
        answer = client("secretsmanager", region).get_secret_value(SecretId=secret, **which)
    # A secret of bytes has no text, and is not a login.
    return str(answer.get("SecretString", ""))


def set_password(region: str, cluster: str, login: str, report: Report, patience: float = PATIENCE_SECONDS) -> None:
    """Give a cluster the password of a login, and wait until RDS has applied it.

    Args:
        region: Region of the cluster, which writes.
        cluster: Its identifier.
        login: The secret's text.
        report: Called with what is waited for.
        patience: Longest wait in seconds.

    Raises:
        Failed: RDS refused the call, or the cluster does not become available.
        Unreachable: The region does not answer.
    """
    password = password_of(login, f"login of {cluster}")
    _settle(region, cluster, report, patience)
    with calls(f"password of {cluster}", region):
        client("rds", region).modify_db_cluster(
            DBClusterIdentifier=cluster, MasterUserPassword=password, ApplyImmediately=True
        )
    _settle(region, cluster, report, patience)


def renew_restored(region: str, cluster: str, secret: str, report: Report) -> None:
    """Give a restored cluster, which has the password of its backup, the one that its region's secret has now.

    Without it, clients are refused if the password was rotated since the backup. A secret that cannot be read stops no
    restore: it is reported.

    Args:
        region: Region of the cluster.
        cluster: Its identifier. It is available, and may have no instance yet.
        secret: Name of the secret; "": the contract has none.
        report: Called with what is waited for, and with what failed.
    """
    if not secret:
        return
    try:
        set_password(region, cluster, read_login(region, secret), report, RESTORED_PATIENCE_SECONDS)
    except DrError as error:
        fact = error.problems[0].fact
        report(f"{cluster} keeps the password of its backup ({fact}): `dr rotate-secret --reset --yes`", None)


def _settle(region: str, cluster: str, report: Report, patience: float) -> None:
    """Wait until a cluster is available and has no new password pending."""
    end = time.monotonic() + patience
    while (state := _state(region, cluster)) != AVAILABLE:
        if time.monotonic() > end:
            raise Failed(Problem(f"database cluster {cluster}", f"it is {state}", CONTINUE))
        report(f"{cluster} in {region} is {state}", None)
        time.sleep(POLL_SECONDS)


def _state(region: str, cluster: str) -> str:
    with calls(f"database cluster {cluster}", region):
        (found,) = client("rds", region).describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
    pending: dict[str, Any] = found.get("PendingModifiedValues") or {}
    return "applying a password" if "MasterUserPassword" in pending else str(found["Status"])
