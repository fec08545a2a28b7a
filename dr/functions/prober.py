"""Measures both regions from the recovery region, three times a minute.

It measures: each region's endpoint, by its regional name over TLS, or, where the endpoint does not admit every address,
by a DNS query for what Route 53's health checkers find; the age of the newest replicated sentinel, which is the data
loss of a failover; once a minute, the age of the newest backup copy of each class of data. Measurements run in parallel
with short time limits, and call no API of the primary region. A value that could not be measured is counted instead of
published: alarms detect missing data, but not wrong values. An endpoint that does not answer is measured as down.
"""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from dr import environment
from dr.clients import Missing, calls, client, read_object
from dr.control.levers import NAMESPACE
from dr.data import recovery_points
from dr.errors import DrError, Failed, Invalid, Problem
from dr.functions.first_run import is_first_run
from dr.functions.sampling import sample_times
from dr.names import ENDPOINT_HEALTHY, ENDPOINT_UNHEALTHY, SENTINEL_KEY, SERVING_KEY
from dr.topology.backups import DataClass
from dr.topology.detection import ANSWER_SECONDS

Series = tuple[str, str]
"""A metric, and the region or the class of data that a value is about; "" for none."""
BY_DNS = "dns:"
ENDPOINT_METRIC, SENTINEL_METRIC, COPY_METRIC = "EndpointHealthy", "SentinelAgeSeconds", "NewestCopyAgeSeconds"
DATA_DIMENSION = "DataClass"
"""Dimension of the age of the newest copy, for classes other than objects."""
UNMEASURED_METRIC = "Unmeasured"
"""Number of values that could not be measured."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Measure and publish each sample. Returns the last one: the values, and the errors of values that are unknown."""
    settings = environment.read(
        *("AWS_REGION", "WORKLOAD", "CONTROL_BUCKET", "COPIES_VAULT", "COPIED_CLASSES"),
        *("PRIMARY_REGION", "PRIMARY_TARGET", "RECOVERY_TARGET"),
    )
    result: dict[str, Any] = {}
    if is_first_run(event):
        return result
    for number, at in enumerate(sample_times()):
        result = sample(settings, at, with_copies=number == 0)
    return result


def sample(settings: Mapping[str, str], at: datetime, with_copies: bool) -> dict[str, Any]:
    """Measure and publish once.

    Args:
        settings: Environment variables of the function.
        at: Time of the sample.
        with_copies: Whether to measure the age of the newest copy, which changes slowly.
    """
    here, home, bucket = settings["AWS_REGION"], settings["PRIMARY_REGION"], settings["CONTROL_BUCKET"]

    def one(metric: str, about: str, probe: Callable[[], float | None]) -> Callable[[], dict[Series, float]]:
        """Return a probe of one series, which measures nothing where the value is None."""
        return lambda: {} if (value := probe()) is None else {(metric, about): value}

    probes = [
        (ENDPOINT_METRIC, one(ENDPOINT_METRIC, home, lambda: float(healthy(settings["PRIMARY_TARGET"])))),
        (
            ENDPOINT_METRIC,
            one(ENDPOINT_METRIC, here, lambda: readiness_expected(here, bucket, settings["RECOVERY_TARGET"])),
        ),
        (SENTINEL_METRIC, one(SENTINEL_METRIC, "", lambda: sentinel_age(here, bucket, at))),
    ]
    if with_copies:
        copied = [DataClass(each) for each in settings["COPIED_CLASSES"].split()]
        probes.append((COPY_METRIC, lambda: copy_ages(here, settings["COPIES_VAULT"], at, copied)))
    with ThreadPoolExecutor(max_workers=len(probes)) as pool:
        pending = [(metric, pool.submit(probe)) for metric, probe in probes]
    values: dict[Series, float] = {}
    unknown: dict[str, str] = {}
    for metric, done in pending:
        try:
            values |= done.result()
        except DrError as error:
            unknown[metric] = str(error)
            sys.stderr.write(f"{metric}: unknown: {error}\n")
    publish(here, settings["WORKLOAD"], {**values, (UNMEASURED_METRIC, ""): float(len(unknown))})
    published = {f"{name} {about}".strip(): value for (name, about), value in values.items()}
    return {"values": published, "unknown": unknown}


def readiness_expected(region: str, bucket: str, target: str) -> float | None:
    """Return whether the recovery region's endpoint is ready; None while the region is not expected to serve.

    `pulumi up` writes the expectation after replicas are ready, and withdraws it before it stops them, so no planned
    change of tier is measured as an outage.

    Raises:
        Invalid: The expectation cannot be read as JSON.
        Unreachable: The region does not answer.
    """
    try:
        text = read_object(region, bucket, SERVING_KEY)
    except Missing as error:
        if "NoSuchKey" not in str(error):
            raise
        return None
    try:
        expected = json.loads(text)["serves"]
    except (KeyError, TypeError, ValueError) as error:
        fact, remedy = f"{text[:80]!r} is not an expectation", "`pulumi up -s dr` writes it"
        raise Invalid(Problem(f"s3://{bucket}/{SERVING_KEY}", fact, remedy)) from error
    return float(healthy(target)) if expected else None


def healthy(target: str) -> bool:
    """Return whether an endpoint is healthy.

    Args:
        target: An HTTPS URL, or `BY_DNS` with the endpoint's status name.

    Raises:
        Failed: DNS does not say.
    """
    if target.startswith(BY_DNS):
        return found_healthy(target.removeprefix(BY_DNS))
    return is_ready(target)


def is_ready(url: str) -> bool:
    """Return whether a URL is answered with 200. TLS verifies the server's name."""
    try:
        # A separate opener: the shared one keeps the proxies of its first use.
        with urllib.request.build_opener().open(url, timeout=ANSWER_SECONDS) as response:
            return bool(response.status == HTTPStatus.OK)
    except (OSError, HTTPException) as error:  # sockets, TLS and urllib; a response that is not HTTP
        sys.stderr.write(f"{url}: {type(error).__name__}: {error}\n")
        return False


def found_healthy(name: str) -> bool:
    """Return whether Route 53's health checkers find an endpoint healthy, from the address of its status name.

    Raises:
        Failed: The name does not resolve, or has another address.
    """
    remedy = "run `pulumi up` of the stack that owns the record, and check that the zone is delegated"
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(name, None, socket.AF_INET)}
    except OSError as error:
        raise Failed(Problem(name, f"it does not resolve: {error}", remedy)) from error
    if found in ({ENDPOINT_HEALTHY}, {ENDPOINT_UNHEALTHY}):
        return found == {ENDPOINT_HEALTHY}
    raise Failed(Problem(name, f"its addresses are {', '.join(sorted(found))}", remedy))


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


def copy_ages(region: str, vault: str, at: datetime, copied: Sequence[DataClass]) -> dict[Series, float]:
    """Return the seconds since the newest recovery point of each class of data in a vault was created.

    Without a copy, the age of a class that has to be copied is that of the vault. Another class without a recovery
    point may have no resource, and is not measured.

    Args:
        region: The recovery region.
        vault: Name of its vault of copies.
        at: Time of the measurement.
        copied: Classes that the deployment has resources of.

    Raises:
        Missing: The vault does not exist.
        Unreachable: The region does not answer.
        Failed: AWS Backup refused the call.
    """
    newest = recovery_points.newest_of_class(recovery_points.read(region, vault))
    if lacking := [each for each in copied if each not in newest]:
        newest |= dict.fromkeys(lacking, recovery_points.vault_created(region, vault))
    return {
        # The series of objects is older than the others, and named without its class.
        (COPY_METRIC, "" if data is DataClass.OBJECTS else str(data)): max(0.0, (at - created).total_seconds())
        for data, created in newest.items()
    }


def publish(region: str, workload: str, values: Mapping[Series, float]) -> None:
    """Publish the values in one call.

    Raises:
        Unreachable: The region does not answer.
        Failed: CloudWatch refused the call.
    """
    data = [
        {
            "MetricName": name,
            "Dimensions": [
                *([{"Name": DATA_DIMENSION if name == COPY_METRIC else "Region", "Value": about}] if about else []),
                {"Name": "Workload", "Value": workload},
            ],
            "Value": value,
            # Alarms with a period below a minute need data of this resolution.
            "StorageResolution": 1,
        }
        for (name, about), value in values.items()
    ]
    if data:
        with calls("metrics", region):
            client("cloudwatch", region).put_metric_data(Namespace=NAMESPACE, MetricData=data)


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
