"""boto3 clients by service and region, with time limits that suit a day on which a region does not answer.

Only what an operation needs is imported, when it is needed. A region that cannot be reached is told apart from an
API that said no: the first is `Unreachable`, and what depended on it is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from dr.errors import Failed, Problem

CONNECT_SECONDS = 3
READ_SECONDS = 10
ATTEMPTS = 2
"""With the limits above a dead region costs an operator seconds; botocore's own 60 s and five attempts cost minutes.

AWS_MAX_ATTEMPTS, botocore's own variable, says otherwise where nobody waits."""


IN_SANDBOX = "DR_SANDBOX_STATE"
"""A variable that is set in the shell of a sandbox, and nowhere else."""
CHECK_REGION = "check the health of the region and your network connection"


class Unreachable(Failed):
    """A service did not answer in a region: whatever was to be measured there is unknown."""


class Missing(Failed):
    """The API answered that a thing does not exist."""


@cache
def client(service: str, region: str) -> Any:
    """A client, made once."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", ATTEMPTS))},
        max_pool_connections=32,
        user_agent_appid="ml-dr",
    )
    session: Any = boto3.session.Session()
    return session.client(service, region_name=region, config=config)


NOT_FOUND = {
    *("NoSuchBucket", "NoSuchKey", "NoSuchVersion", "NoSuchHealthCheck", "NoSuchHostedZone"),
    *("404", "NotFound", "ResourceNotFoundException"),
}


@contextmanager
def calls(subject: str, region: str) -> Iterator[None]:
    """Map what botocore raises to this project's errors.

    Args:
        subject: What the calls are about, for the message: "s3://bucket/key".
        region: The region that is called.

    Raises:
        Unreachable: nothing answered.
        Missing: the thing does not exist.
        Failed: the API refused, with its own code and message.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        kind = Missing if code in NOT_FOUND else Failed
        said_no = f"{error.operation_name} was refused; see {code} in the AWS documentation"
        remedy = "check its name and the region" if kind is Missing else said_no
        raise kind(Problem(subject, f"{code} in {region}: {message}", remedy)) from error
    except NoCredentialsError as error:
        remedy = "sign in to AWS (`aws sso login`) and set AWS_PROFILE; for the sandbox, run `make shell`"
        raise Failed(Problem(subject, "there are no AWS credentials", remedy)) from error
    except (ConnectionError, HTTPClientError) as error:
        remedy = "run `make up`: the sandbox may have stopped" if IN_SANDBOX in os.environ else CHECK_REGION
        raise Unreachable(Problem(subject, f"{region} does not answer ({type(error).__name__})", remedy)) from error
    except BotoCoreError as error:
        raise Failed(Problem(subject, f"{type(error).__name__}: {error}", "mend what it names")) from error


def read_object(region: str, bucket: str, key: str) -> bytes:
    """An object's bytes.

    Raises:
        Missing: no such bucket or key.
        Unreachable: the region does not answer.
    """
    with calls(f"s3://{bucket}/{key}", region):
        body: bytes = client("s3", region).get_object(Bucket=bucket, Key=key)["Body"].read()
        return body


def account_id(region: str) -> str:
    """The AWS account of the credentials in use, asked of a region's own STS endpoint."""
    with calls("the AWS account", region):
        account: str = client("sts", region).get_caller_identity()["Account"]
        return account
