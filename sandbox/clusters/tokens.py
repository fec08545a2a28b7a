"""Verification of an API server's bearer tokens, by the rules of EKS.

A token is `k8s-aws-v1.` followed by a base64-encoded GetCallerIdentity request, presigned for one cluster (source of
the rules: aws-iam-authenticator, pkg/token/token.go). EKS sends the request to STS. The sandbox verifies its signature
with the secret access key, and STS identifies the caller. The cluster's access entries determine user and groups.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.answer import ConnectionCutError
from sandbox.aws.extensions.eks import ADMIN_POLICY, Cluster, clusters
from sandbox.aws.extensions.iam import principal_of
from sandbox.aws.faults import Faults
from sandbox.control_plane.certificates import MASTERS

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
LIFETIME = datetime.timedelta(minutes=15)
"""Validity from the date of the request; the expiry in the request has no effect."""
AHEAD = datetime.timedelta(minutes=5)
"""Maximum time by which the date may be in the future (IAM user guide, "Troubleshoot Signature Version 4")."""
LONGEST_EXPIRY_SECONDS = 900
HOST = re.compile(r"sts(?:\.([a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com")
ALLOWED = {"action", "version"} | {
    f"x-amz-{name}"
    for name in ("algorithm", "credential", "date", "expires", "security-token", "signature", "signedheaders")
}
PUBLIC_KEYS = {"sandbox": "sandbox", "testing": "testing"}
"""Well-known access keys of the sandbox and of its tests, with their secrets."""


class BadTokenError(ValueError):
    """The token is invalid; the message has the reason."""


@dataclass(frozen=True)
class Secret:
    """Secrets of an access key.

    Args:
        key: The secret access key.
        session: The session token; "" for a key without a session.
    """

    key: str
    session: str = ""


def check(
    token: str, cluster: str, now: datetime.datetime, secret_of: Callable[[str], Secret | None]
) -> tuple[str, str]:
    """Verify a token.

    Args:
        token: The token.
        cluster: Name of the cluster, which the signature must cover.
        now: Current time, with time zone.
        secret_of: Returns the secrets of an access key; None for an unknown key.

    Returns:
        The access key, and the region of the STS endpoint.

    Raises:
        BadTokenError: The format, the cluster, the date or the signature of the token is not valid.
    """
    url = _url(token)
    parts = urlsplit(url)
    host = HOST.fullmatch(parts.netloc)
    if parts.scheme != "https" or not host or parts.path != "/":
        raise BadTokenError(f"its URL {parts.scheme}://{parts.netloc}{parts.path} is not an endpoint of STS")
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    values = {name.lower(): value for name, value in parameters}
    if len(values) != len(parameters):
        raise BadTokenError("a parameter occurs twice")
    if extra := sorted(values.keys() - ALLOWED):
        raise BadTokenError(f"{', '.join(extra)} does not belong to a presigned GetCallerIdentity")
    if values.get("action") != "GetCallerIdentity":
        raise BadTokenError(f"its action is {values.get('action')}, not GetCallerIdentity")
    if CLUSTER_HEADER not in values.get("x-amz-signedheaders", "").split(";"):
        raise BadTokenError(f"{CLUSTER_HEADER} is not signed")
    date = _check_time(values, now)
    access_key, day, region, *scope = [*values.get("x-amz-credential", "").split("/"), "", "", ""][:5]
    if day != date[:8] or scope != ["sts", "aws4_request"] or host[1] not in (region, None):
        raise BadTokenError(f"its credential {values.get('x-amz-credential')!r} is not for {parts.netloc} on that day")
    secret = secret_of(access_key)
    if secret is None or not hmac.compare_digest(secret.session, values.get("x-amz-security-token", "")):
        raise BadTokenError(f"access key {access_key} does not exist, or has another session token")
    # The query is not re-encoded, because another encoder could change the signed text.
    unsigned = "&".join(each for each in parts.query.split("&") if not each.lower().startswith("x-amz-signature="))
    expected = _signature(f"https://{parts.netloc}/?{unsigned}", cluster, date, region, access_key, secret)
    if not hmac.compare_digest(expected, values.get("x-amz-signature", "")):
        raise BadTokenError(f"it is not signed for cluster {cluster} with the secret of {access_key}")
    return access_key, region


def _url(token: str) -> str:
    if not token.startswith(PREFIX):
        raise BadTokenError(f"it does not start with {PREFIX}")
    encoded = token.removeprefix(PREFIX)
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadTokenError("it is not in base64") from error


def _check_time(values: dict[str, str], now: datetime.datetime) -> str:
    """Check date and expiry; return the date as it is in the request."""
    date, expires = values.get("x-amz-date", ""), values.get("x-amz-expires", "")
    try:
        made = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise BadTokenError(f"its date is {date!r}") from error
    if not expires.isdigit() or not 0 < int(expires) <= LONGEST_EXPIRY_SECONDS:
        raise BadTokenError(f"it expires after {expires!r} s; the maximum is {LONGEST_EXPIRY_SECONDS} s")
    if not made - AHEAD <= now < made + LIFETIME:
        raise BadTokenError(f"it was made at {date}, and is valid for {LIFETIME.seconds // 60} minutes")
    return date


def _signature(url: str, cluster: str, date: str, region: str, access_key: str, secret: Secret) -> str:
    request = AWSRequest("GET", url, headers={CLUSTER_HEADER: cluster})
    request.context["timestamp"] = date
    signer = SigV4QueryAuth(Credentials(access_key, secret.key), "sts", region)
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def secret_of(access_key: str) -> Secret | None:
    """Return the secrets of an IAM, STS or well-known access key; None for an unknown or inactive key."""
    if access_key in PUBLIC_KEYS:
        return Secret(PUBLIC_KEYS[access_key])
    if session := sts_backends[ACCOUNT][PARTITION].get_assumed_role_from_access_key(access_key):
        return Secret(session.secret_access_key, session.session_token)
    owner = iam_backends[ACCOUNT][PARTITION].get_user_from_access_key_id(access_key)
    keys = [key for key in owner.access_keys if key.access_key_id == access_key] if owner else []
    return Secret(keys[0].secret_access_key) if keys and keys[0].status == "Active" else None


def user(cluster: Cluster, arn: str, user_id: str, access_key: str) -> dict[str, Any] | None:
    """Return a principal's `UserInfo` in a cluster; None for a principal without access.

    Administrators are principals with AmazonEKSClusterAdminPolicy on the whole cluster, and the creator of a cluster
    without access entries, if the cluster's access configuration grants this. Other access policies have no effect in
    the sandbox; RBAC decides by the principal's groups.
    """
    session = arn.rpartition("/")[2] if ":assumed-role/" in arn else ""
    entry = next((each for principal, each in cluster.entries.items() if _same(principal, arn)), None)
    settings = cluster.about["accessConfig"]
    bootstrapped = (
        settings["bootstrapClusterCreatorAdminPermissions"] and settings["authenticationMode"] == "CONFIG_MAP"
    )
    admin = arn == cluster.creator and bootstrapped
    if entry is None and not admin:
        return None
    entry = entry or {"username": arn, "kubernetesGroups": [], "policies": {}}
    scope = entry["policies"].get(ADMIN_POLICY, {}).get("accessScope", {}).get("type")
    # EKS replaces @ in a session name with - (EKS user guide, "Create access entries").
    name = entry["username"].replace("{{SessionName}}", session.replace("@", "-"))
    extra = {"accessKeyId": access_key, "arn": arn, "principalId": user_id.partition(":")[0], "sessionName": session}
    return {
        "username": name.replace("{{SessionNameRaw}}", session),
        "uid": f"aws-iam-authenticator:{ACCOUNT}:{user_id.partition(':')[0]}",
        "groups": [*entry["kubernetesGroups"], *([MASTERS] if admin or scope == "cluster" else [])],
        "extra": {key: [value] for key, value in extra.items()},
    }


def _same(principal: str, arn: str) -> bool:
    """Return whether an access entry is for a caller. A session's ARN has the name of its role, without the path."""
    if ":assumed-role/" not in arn:
        return principal == principal_of(arn)
    role = arn.split("/")[1]
    return ":role/" in principal and principal.rpartition("/")[2] == role


def identity(access_key: str, region: str) -> tuple[str, str]:
    """Return the ARN and the ID of an access key's owner, from STS."""
    id, arn, _ = sts_backends[ACCOUNT][PARTITION].get_caller_identity(access_key, region)
    return str(arn), str(id)


def answer_review(faults: Faults, region: str, name: str, body: bytes) -> dict[str, Any]:
    """Return the response to a TokenReview of a cluster's API server.

    Args:
        faults: Injected faults.
        region: Region of the cluster.
        name: Name of the cluster.
        body: The TokenReview, as JSON.

    Raises:
        ConnectionCutError: The token is for STS in an unreachable region.
        ValueError: The body is not a TokenReview.
    """
    review = json.loads(body)
    if not isinstance(review, dict) or not isinstance(review.get("spec"), dict):
        raise ValueError("the body is not a TokenReview")
    status: dict[str, Any] = {"authenticated": False}
    cluster = clusters(region).get(name)
    try:
        if cluster is None:
            raise BadTokenError(f"{region} has no cluster {name}")
        now = datetime.datetime.now(datetime.UTC)
        access_key, sts = check(str(review["spec"].get("token", "")), name, now, secret_of)
        if faults.unreachable(sts):
            raise ConnectionCutError(f"STS of {sts} cannot be reached")
        arn, id = identity(access_key, sts)
        found = user(cluster, arn, id, access_key)
        if found is None:
            raise BadTokenError(f"{arn} has no access entry in {name}")
        status = {"authenticated": True, "user": found}
    except BadTokenError as error:
        status["error"] = f"token: {error}"
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
