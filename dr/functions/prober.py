"""Measures both regions from the recovery region, every minute.

It measures: each region's endpoint by its regional name, over TLS; the age of the newest replicated sentinel, which is
the data loss of a failover; the age of the newest backup copy. Measurements run in parallel with short time limits, and
call no API of the primary region. A value that could not be measured is counted instead of published: alarms detect
missing data, but not wrong values. An endpoint that does not answer is measured as down.
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
from dr.names import SENTINEL_KEY

ANSWER_SECONDS = 5
ENDPOINT_METRIC, SENTINEL_METRIC, COPY_METRIC = "EndpointHealthy", "SentinelAgeSeconds", "NewestCopyAgeSeconds"
UNMEASURED_METRIC = "Unmeasured"
"""Number of values that could not be measured. The age of the newest copy in an empty vault is not one of them."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Measure and publish. Returns the values, and the errors of values that are unknown."""
    settings = environment.read(
        *("AWS_REGION", "WORKLOAD", "CONTROL_BUCKET", "BACKUP_VAULT"),
        *("PRIMARY_REGION", "PRIMARY_NAME", "RECOVERY_NAME", "READY_PATH"),
    )
    here, at, path = settings["AWS_REGION"], _time(event), settings["READY_PATH"]
    probes: dict[tuple[str, str], Callable[[], float | None]] = {
        (ENDPOINT_METRIC, settings["PRIMARY_REGION"]): lambda: float(is_ready(settings["PRIMARY_NAME"], path)),
        (ENDPOINT_METRIC, here): lambda: float(is_ready(settings["RECOVERY_NAME"], path)),
        (SENTINEL_METRIC, ""): lambda: sentinel_age(here, settings["CONTROL_BUCKET"], at),
        (COPY_METRIC, ""): lambda: copy_age(here, settings["BACKUP_VAULT"], at),
    }
    with ThreadPoolExecutor(max_workers=len(probes)) as pool:
        pending = {metric: pool.submit(probe) for metric, probe in probes.items()}
    values: dict[tuple[str, str], float] = {}
    unknown: dict[str, str] = {}
    for metric, done in pending.items():
        try:
            if (value := done.result()) is not None:
                values[metric] = value
        except DrError as error:
            unknown[metric[0]] = str(error)
            sys.stderr.write(f"{metric[0]}: unknown: {error}\n")
    publish(here, settings["WORKLOAD"], {**values, (UNMEASURED_METRIC, ""): float(len(unknown))})
    published = {f"{name} {region}".strip(): value for (name, region), value in values.items()}
    return {"values": published, "unknown": unknown}


def is_ready(name: str, path: str) -> bool:
    """Return whether the endpoint with this name, verified by its certificate, answers 200 at a path."""
    try:
        # A separate opener: the shared one keeps the proxies of its first use.
        with urllib.request.build_opener().open(f"https://{name}{path}", timeout=ANSWER_SECONDS) as response:
            return bool(response.status == HTTPStatus.OK)
    except (OSError, HTTPException) as error:  # sockets, TLS and urllib; a response that is not HTTP
        sys.stderr.write(f"{name}: {type(error).__name__}: {error}\n")
        return False


def sentinel_age(region: str, bucket: str, at: datetime) -> float:
    """Return the seconds since the newest sentinel in this region was written.

    Raises:
        Missing: No sentinel has been replicated yet.
        Invalid: The object is not a sentinel.
        Unreachable: The region does not answer.
    """
    text = read_object(region, bucket, SENTINEL_KEY)
    try:
        return max(0.0, (at - _parsed(json.loads(text)["written"])).total_seconds())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        fact, remedy = f"{text[:80]!r} is not a sentinel", "find what else writes it; the heartbeat replaces it"
        raise Invalid(Problem(f"s3://{bucket}/{SENTINEL_KEY}", fact, remedy)) from error


def copy_age(region: str, vault: str, at: datetime) -> float | None:
    """Return the seconds since the newest recovery point in a vault was created; None without recovery points.

    Raises:
        Missing: The vault does not exist.
        Unreachable: The region does not answer.
    """
    with calls(f"backup vault {vault}", region):
        pages = client("backup", region).get_paginator("list_recovery_points_by_backup_vault")
        created = [
            point["CreationDate"]
            for page in pages.paginate(BackupVaultName=vault)
            for point in page["RecoveryPoints"]
            if point["Status"] == "COMPLETED"
        ]
    return max(0.0, (at - max(created)).total_seconds()) if created else None


def publish(region: str, workload: str, values: dict[tuple[str, str], float]) -> None:
    """Publish the values in one call.

    Raises:
        Unreachable: The region does not answer.
        Failed: CloudWatch refused the call.
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
    """Return the scheduled time of the run; now, if it was invoked by hand."""
    return _parsed(event["time"]) if "time" in event else datetime.now(UTC)


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
