"""A token for the API of an EKS cluster: a request to STS that is signed and not sent.

The cluster sends it to learn the identity of the signer. As `aws eks get-token` makes it (aws-cli,
awscli/customizations/eks/get_token.py), so that the AWS CLI is not needed.
"""

from __future__ import annotations

import base64
import datetime
from typing import Any

from dr.clusters.kubeconfig import EXEC_API
from dr.errors import Failed, Invalid, Problem

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
URL_EXPIRES_SECONDS = 60
"""Written into the request, as the AWS CLI does; a cluster takes it for 15 minutes all the same."""
GOOD_FOR = datetime.timedelta(minutes=14)
"""How long a caller may use it: a minute less than the cluster takes it for."""
DOMAINS = {"cn-": "amazonaws.com.cn"}
"""By the beginning of a region's name; elsewhere it is amazonaws.com."""


def eks_token(cluster: str, region: str) -> dict[str, Any]:
    """An ExecCredential (client.authentication.k8s.io/v1) for a cluster, signed with the caller's AWS credentials.

    Args:
        cluster: Its name, which is signed too: the token is good for no other.
        region: Its region; the token uses the STS endpoint of that region, which does not depend on others.

    Raises:
        Failed: No credentials are configured, or they cannot be retrieved.
        Invalid: The region's name is not one.
    """
    now = datetime.datetime.now(datetime.UTC)
    token = PREFIX + base64.urlsafe_b64encode(_presigned(cluster, region).encode()).decode().rstrip("=")
    good_until = (now + GOOD_FOR).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "kind": "ExecCredential",
        "apiVersion": EXEC_API,
        "spec": {},
        "status": {"expirationTimestamp": good_until, "token": token},
    }


def _presigned(cluster: str, region: str) -> str:
    # The signer alone: a client would load the model of a service that is not called.
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.utils import validate_region_name

    try:
        validate_region_name(region)
    except ValueError as error:
        raise Invalid(Problem("region", f'"{region}" is not an AWS region', "use a name such as us-east-1")) from error
    domain = next((found for prefix, found in DOMAINS.items() if region.startswith(prefix)), "amazonaws.com")
    url = f"https://sts.{region}.{domain}/?Action=GetCallerIdentity&Version=2011-06-15"
    request = AWSRequest("GET", url, headers={CLUSTER_HEADER: cluster})
    SigV4QueryAuth(_credentials(), "sts", region, expires=URL_EXPIRES_SECONDS).add_auth(request)
    return str(request.url)


def _credentials() -> Any:
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    remedy = "sign in to AWS (`aws sso login`) and set AWS_PROFILE; for the sandbox, run `make shell`"
    try:
        found = get_session().get_credentials()
        # A session's keys are renewed here, if need be, and kept together.
        frozen = found and found.get_frozen_credentials()
    except BotoCoreError as error:
        raise Failed(Problem("AWS credentials", f"they cannot be retrieved: {error}", remedy)) from error
    if not frozen:
        raise Failed(Problem("AWS credentials", "there are none in this environment", remedy))
    return frozen
