"""Readiness of the database's login: the recovery region has it, it is in sync, and no rotation was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dr.clients import Missing
from dr.data.secret_versions import IN_SYNC, current_of, replication_status, unfinished, versions_of
from dr.errors import DrError
from dr.findings import Finding, Status, unknown
from dr.operations.inspected import PRIMARY_BY, Inspected

NAME = "database login"
OLD = timedelta(days=90)
"""Age at which a rotation is suggested: the default of AWS Security Hub's control SecretsManager.4."""
CONTINUE = "`dr rotate-secret --yes` continues the rotation; `dr rotate-secret --reset --yes` returns to this password"


def look(inspected: Inspected) -> Iterator[Finding]:
    """Check the replica of the login, and while the primary region answers, that it is in sync."""
    scene, region, record = inspected.scene, inspected.region, inspected.scene.primary.database
    if record is None or not record.secret:
        return
    waiting = inspected.ask_primary(
        f"secret {record.secret}", lambda: replication_status(scene.home, record.secret, region)
    )
    try:
        versions = versions_of(region, record.secret)
        yield judge(versions, current_of(versions, record.secret)[1], region, datetime.now(UTC))
    except Missing:
        fact = f"{region} has no replica of {record.secret}: after a failover, the database admits no client"
        yield Finding(f"{NAME} in {region}", Status.MISSED, fact, "`pulumi up -s primary`")
    name = f"replica of the {NAME}"
    try:
        yield judge_replica(name, waiting.result(PRIMARY_BY), region)
    except DrError as error:
        yield unknown(name, error)


def judge(versions: Sequence[Mapping[str, Any]], created: datetime, region: str, now: datetime) -> Finding:
    """Judge the login that the recovery region has. Pure.

    Args:
        versions: The versions of the secret there.
        created: When the current one was created.
        region: The recovery region.
        now: The time.
    """
    name, age = f"{NAME} in {region}", max(now - created, timedelta())
    if unfinished(versions):
        fact = "a rotation was interrupted: the database may have another password than the secret's current version"
        return Finding(name, Status.MISSED, fact, CONTINUE)
    hint = "" if age <= OLD else f"older than {OLD.days} days: `dr rotate-secret`"
    return Finding(name, Status.MET, f"the password is {age.days} days old", hint)


def judge_replica(name: str, state: str, region: str) -> Finding:
    """Judge the replication status of the secret, as the primary region describes it. Pure."""
    if state == IN_SYNC:
        return Finding(name, Status.MET, f"{region} is in sync")
    hint = "`aws secretsmanager describe-secret` of the primary region shows the reason"
    return Finding(name, Status.MISSED, f"{region} is {state or 'missing'}", hint)
