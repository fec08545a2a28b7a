"""boto3 clients by service and region, with short time limits for operations while a region is unavailable.

Modules are imported only when needed. Errors distinguish a region that does not answer (`Unreachable`: dependent
results are unknown) from an API that refuses a call (`Failed`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

from dr.errors import Failed, Problem

ATTEMPTS = 2
"""Attempts of a call, where `Limits` has no other number. AWS_MAX_ATTEMPTS, a variable of botocore, overrides both."""


@dataclass(frozen=True)
class Limits:
    """Time limits of one attempt of a call, in seconds.

    With the defaults, an unavailable region delays an operator by seconds. botocore's defaults of 60 s and five
    attempts delay by minutes.

    Args:
        connect: Limit for the connection.
        read: Limit for each part of the response.
        attempts: Attempts of a call; AWS_MAX_ATTEMPTS overrides it.
    """

    connect: float = 3
    read: float = 10
    attempts: int = ATTEMPTS


_limits = Limits()

IN_SANDBOX = "DR_SANDBOX_STATE"
"""Environment variable that is set only in a sandbox shell."""
CHECK_REGION = "check the health of the region and your network connection"
CHECK_SANDBOX = "`python -m sandbox fault list` shows injected faults; `make up` starts a stopped sandbox"


class Unreachable(Failed):
    """A service did not answer in a region: dependent results are unknown."""


class Missing(Failed):
    """The API reported that a resource does not exist."""


def client(service: str, region: str) -> Any:
    """Return a client; one for each service and region."""
    with _SESSION_LOCK:
        return _client(service, region)


@cache
def _client(service: str, region: str) -> Any:
    from botocore.config import Config

    config = Config(
        connect_timeout=_limits.connect,
        read_timeout=_limits.read,
        retries={"mode": "standard", "total_max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", _limits.attempts))},
        max_pool_connections=32,
        user_agent_appid="ml-dr",
        proxies=_proxies(service),
    )
    return _session().client(service, region_name=region, config=config)


def _proxies(service: str) -> dict[str, str] | None:
    """Return the proxy of a service in the sandbox; None for the proxies of the environment.

    Hosts of S3 Control begin with the account. Such a name before the sandbox's address does not resolve, and Python
    takes it for one that NO_PROXY excludes.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    return {"http": endpoint} if service == "s3control" and endpoint and IN_SANDBOX in os.environ else None


_SESSION_LOCK = Lock()
"""Threads may share clients, and must not share the session that creates them (boto3 guide, "Session")."""


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Use other time limits for the clients that the block creates, and new clients after it."""
    global _limits
    before = _limits
    _forget_clients()
    _limits = limits
    try:
        yield
    finally:
        _forget_clients()
        _limits = before


@cache
def _session() -> Any:
    """Return the session of all clients: it reads endpoints and service models once for all regions."""
    import boto3

    return boto3.session.Session(botocore_session=botocore_session())


@cache
def botocore_session() -> Any:
    """Return botocore's session, which every use of its data files shares: it reads each of them once."""
    import botocore.session

    return botocore.session.get_session()


def forget() -> None:
    """Forget all clients, because the environment has other credentials or another endpoint."""
    _forget_clients()
    with _SESSION_LOCK:
        _session.cache_clear()
        botocore_session.cache_clear()


def _forget_clients() -> None:
    with _SESSION_LOCK:
        _client.cache_clear()


class Denied(Failed):
    """The credentials lack a permission."""


DENIED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden"}
"""Codes of a missing permission; the answer to a HEAD request has no body, so botocore reports its status."""


class Conflict(Failed):
    """Another writer was faster: the condition of a conditional write does not hold."""


CONFLICTS = {"PreconditionFailed", "ConditionalRequestConflict", "ResourceExistsException"}
"""Codes of a conditional write that lost against another one (PutObject of S3, PutSecretValue of Secrets Manager)."""
NOT_FOUND = {
    *("NoSuchBucket", "NoSuchKey", "NoSuchVersion", "NoSuchHealthCheck", "NoSuchHostedZone", "NoSuchDelegationSet"),
    *("404", "NotFound", "ResourceNotFoundException", "RepositoryNotFoundException", "ImageNotFoundException"),
    *("DBClusterNotFoundFault", "DBClusterSnapshotNotFoundFault", "DBInstanceNotFound", "GlobalClusterNotFoundFault"),
    "InvalidVolume.NotFound",
}


@contextmanager
def calls(subject: str, region: str) -> Iterator[None]:
    """Map botocore's exceptions to this project's errors.

    Args:
        subject: Subject of the calls, for the message: "s3://bucket/key".
        region: Region of the calls.

    Raises:
        Unreachable: The region does not answer.
        Missing: The resource does not exist.
        Conflict: The condition of a conditional write does not hold.
        Denied: The credentials lack a permission.
        Failed: The API refused the call, with its code and message; or credentials are missing.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        kinds = ((Missing, NOT_FOUND), (Conflict, CONFLICTS), (Denied, DENIED))
        kind = next((each for each, codes in kinds if code in codes), Failed)
        refused = f"{error.operation_name} was refused; see {code} in the AWS documentation"
        remedy = "check its name and the region" if kind is Missing else refused
        raise kind(Problem(subject, f"{code} in {region}: {message}", remedy)) from error
    except NoCredentialsError as error:
        remedy = "sign in to AWS (`aws sso login`) and set AWS_PROFILE; for the sandbox, run `make shell`"
        raise Failed(Problem(subject, "AWS credentials were not found", remedy)) from error
    except (ConnectionError, HTTPClientError) as error:
        remedy = CHECK_SANDBOX if IN_SANDBOX in os.environ else CHECK_REGION
        raise Unreachable(Problem(subject, f"{region} does not answer ({type(error).__name__})", remedy)) from error
    except BotoCoreError as error:
        raise Failed(Problem(subject, f"{type(error).__name__}: {error}", "fix the reported problem")) from error


def read_object(region: str, bucket: str, key: str) -> bytes:
    """Return the bytes of an object.

    Raises:
        Missing: The bucket or the key does not exist.
        Unreachable: The region does not answer.
    """
    with calls(f"s3://{bucket}/{key}", region):
        body: bytes = client("s3", region).get_object(Bucket=bucket, Key=key)["Body"].read()
        return body


def object_keys(region: str, bucket: str, prefix: str) -> list[str]:
    """Return the keys of a bucket that begin with a prefix, in S3's order.

    Raises:
        Missing: The bucket does not exist.
        Unreachable: The region does not answer.
    """
    with calls(f"s3://{bucket}/{prefix}", region):
        pages = client("s3", region).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]


def write_once(region: str, bucket: str, key: str, body: bytes) -> None:
    """Write a JSON object that does not exist yet. One with the same content is kept.

    botocore repeats a write if its confirmation is lost, and the object is then there already.

    Raises:
        Conflict: The object has another content.
        Unreachable: The region does not answer.
    """
    try:
        with calls(f"s3://{bucket}/{key}", region):
            client("s3", region).put_object(
                Bucket=bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
    except Conflict:
        if read_object(region, bucket, key) != body:
            raise


def account_id(region: str) -> str:
    """Return the AWS account ID of the current credentials, from the region's own STS endpoint."""
    with calls("the AWS account", region):
        account: str = client("sts", region).get_caller_identity()["Account"]
        return account
