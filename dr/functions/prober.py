"""Measures from the recovery region what it would have to take over, and what it would take over with.

Each region's endpoint by its own name, over TLS; the age of the newest sentinel that was replicated here, which is
what recent writes would be lost; the age of the newest backup copy. All at once, with short limits, and with no call
to the primary region's APIs. What could not be measured is not published, but counted: a gap is seen by alarms, an
invented value is not. An endpoint that does not answer is measured: it is down.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from dr import environment
from dr.clients import calls, client, read_object
from dr.control.levers import NAMESPACE
from dr.errors import DrError, Invalid, Problem
from dr.names import READY_PATH, SENTINEL_KEY

ANSWER_SECONDS = 5
ENDPOINT_METRIC, SENTINEL_METRIC, COPY_METRIC = "EndpointHealthy", "SentinelAgeSeconds", "NewestCopyAgeSeconds"
UNMEASURED_METRIC = "Unmeasured"
"""How many of these are unknown: an empty vault has no age either, and that is no trouble."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Measure and publish. Returns the values, and what was unknown and why."""
    given = environment.read(
        *("AWS_REGION", "WORKLOAD", "CONTROL_BUCKET", "BACKUP_VAULT"),
        *("PRIMARY_REGION", "PRIMARY_NAME", "RECOVERY_NAME"),
    )
    here, at = given["AWS_REGION"], _time(event)
    looks: dict[tuple[str, str], Callable[[], float | None]] = {
        (ENDPOINT_METRIC, given["PRIMARY_REGION"]): lambda: float(answers(given["PRIMARY_NAME"])),
        (ENDPOINT_METRIC, here): lambda: float(answers(given["RECOVERY_NAME"])),
        (SENTINEL_METRIC, ""): lambda: sentinel_age(here, given["CONTROL_BUCKET"], at),
        (COPY_METRIC, ""): lambda: copy_age(here, given["BACKUP_VAULT"], at),
    }
    with ThreadPoolExecutor(max_workers=len(looks)) as pool:
        pending = {what: pool.submit(look) for what, look in looks.items()}
    values: dict[tuple[str, str], float] = {}
    unknown: dict[str, str] = {}
    for what, done in pending.items():
        try:
            if (value := done.result()) is not None:
                values[what] = value
        except DrError as error:
            unknown[what[0]] = str(error)
            sys.stderr.write(f"{what[0]}: unknown: {error}\n")
    publish(here, given["WORKLOAD"], {**values, (UNMEASURED_METRIC, ""): float(len(unknown))})
    return {"values": {f"{name} {of}".strip(): value for (name, of), value in values.items()}, "unknown": unknown}


def answers(name: str) -> bool:
    """Whether an endpoint says it is ready, by a name its certificate is for."""
    try:
        # An opener of its own: the shared one keeps the proxies of whoever asked first.
        with urllib.request.build_opener().open(f"https://{name}{READY_PATH}", timeout=ANSWER_SECONDS) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, HTTPException) as error:  # sockets, TLS and urllib; an answer that is no HTTP
        sys.stderr.write(f"{name}: {type(error).__name__}: {error}\n")
        return False


def sentinel_age(region: str, bucket: str, at: datetime) -> float:
    """Seconds since the newest sentinel that arrived here was written.

    Raises:
        Missing: none ever arrived.
        Invalid: what is there is no sentinel.
        Unreachable: the region does not answer.
    """
    text = read_object(region, bucket, SENTINEL_KEY)
    try:
        return max(0.0, (at - _parsed(json.loads(text)["written"])).total_seconds())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        fact, remedy = f"{text[:80]!r} is no sentinel", "the heartbeat's schedule writes it anew; look who else does"
        raise Invalid(Problem(f"s3://{bucket}/{SENTINEL_KEY}", fact, remedy)) from error


def copy_age(region: str, vault: str, at: datetime) -> float | None:
    """Seconds since the newest recovery point in a vault was made; None while there is none.

    Raises:
        Missing: there is no such vault.
        Unreachable: the region does not answer.
    """
    with calls(f"backup vault {vault}", region):
        pages = client("backup", region).get_paginator("list_recovery_points_by_backup_vault")
        made = [
            point["CreationDate"]
            for page in pages.paginate(BackupVaultName=vault)
            for point in page["RecoveryPoints"]
            if point["Status"] == "COMPLETED"
        ]
    return max(0.0, (at - max(made)).total_seconds()) if made else None


def publish(region: str, workload: str, values: dict[tuple[str, str], float]) -> None:
    """Publish what was measured, in one call.

    Raises:
        Unreachable: the region does not answer.
        Failed: it refused.
    """
    data = [
        {
            "MetricName": name,
            "Dimensions": [
                *([{"Name": "Region", "Value": region_of}] if region_of else []),
                {"Name": "Workload", "Value": workload},
            ],
            "Value": value,
        }
        for (name, region_of), value in values.items()
    ]
    if data:
        with calls("metrics", region):
            client("cloudwatch", region).put_metric_data(Namespace=NAMESPACE, MetricData=data)


def _time(event: dict[str, Any]) -> datetime:
    """The minute it was started for; of one that was started by hand, now."""
    return _parsed(event["time"]) if "time" in event else datetime.now(UTC)


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
