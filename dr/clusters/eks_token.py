"""Bearer tokens for the API of an EKS cluster: presigned STS GetCallerIdentity requests.

The cluster sends the request to STS to identify the caller. The format is that of `aws eks get-token` (aws-cli,
awscli/customizations/eks/get_token.py); the AWS CLI is not needed.
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
"""Expiry of the presigned request, the value of the AWS CLI. A cluster accepts the token for 15 minutes."""
GOOD_FOR = datetime.timedelta(minutes=14)
"""Lifetime reported to the caller: one minute less than the cluster accepts the token."""
DOMAINS = {"cn-": "amazonaws.com.cn"}
"""DNS suffix by prefix of the region's name; the default is amazonaws.com."""


def eks_token(cluster: str, region: str) -> dict[str, Any]:
    """Return an ExecCredential (client.authentication.k8s.io/v1), signed with the caller's AWS credentials.

    Args:
        cluster: Name of the cluster. The signature covers it, so the token is valid for this cluster only.
        region: Region of the cluster. The token uses this region's STS endpoint and depends on no other region.

    Raises:
        Failed: No credentials are configured, or they cannot be retrieved.
        Invalid: `region` is not the name of an AWS region.
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
    # Only the signer: a boto3 client would load the model of STS, which is not called here.
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
        # Refreshes temporary credentials if needed and returns their keys and token as one consistent set.
        frozen = found and found.get_frozen_credentials()
    except BotoCoreError as error:
        raise Failed(Problem("AWS credentials", f"they cannot be retrieved: {error}", remedy)) from error
    if not frozen:
        raise Failed(Problem("AWS credentials", "there are none in this environment", remedy))
    return frozen
