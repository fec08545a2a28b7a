"""Checks the tokens that an API server is shown, as EKS does: who signed this presigned STS request?

A token is `k8s-aws-v1.` and, in base64, a GetCallerIdentity request presigned for one cluster (aws-iam-authenticator,
pkg/token/token.go, whose rules these are). EKS sends it to STS; here the signature is checked with the secret of the
key that it names, and STS is asked whose that key is. Then the cluster's access entries say what he is in Kubernetes.
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
from sandbox.aws.extensions.eks import Cluster, clusters
from sandbox.aws.extensions.eks_access import POLICY_ARN
from sandbox.aws.faults import Faults
from sandbox.control_plane.certificates import MASTERS

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
LIFETIME = datetime.timedelta(minutes=15)
"""From the date in the request, whatever the request itself says of its expiry."""
AHEAD = datetime.timedelta(minutes=5)
"""How far a clock may be ahead (IAM user guide, "Troubleshoot Signature Version 4": requests are refused beyond)."""
LONGEST_EXPIRY_SECONDS = 900
HOST = re.compile(r"sts(?:\.([a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com")
ALLOWED = {"action", "version"} | {
    f"x-amz-{name}"
    for name in ("algorithm", "credential", "date", "expires", "security-token", "signature", "signedheaders")
}
PUBLIC_KEYS = {"sandbox": "sandbox", "testing": "testing"}
"""Keys that everybody knows: the sandbox's own, and those of its tests."""
ADMIN_POLICY = f"{POLICY_ARN}AmazonEKSClusterAdminPolicy"


class BadTokenError(ValueError):
    """The token is not a good one; the text says why."""


@dataclass(frozen=True)
class Secret:
    """What belongs to an access key.

    Args:
        key: The secret access key.
        session: The session token; "" where the key is no session's.
    """

    key: str
    session: str = ""


def check(
    token: str, cluster: str, now: datetime.datetime, secret_of: Callable[[str], Secret | None]
) -> tuple[str, str]:
    """Which access key made a token for a cluster, and for the STS of which region.

    Args:
        token: As shown to the API server.
        cluster: The cluster's name, which has to be signed.
        now: The time, with its zone.
        secret_of: Secrets by access key; None for a key that nobody has.

    Raises:
        BadTokenError: The token is of another form, another cluster or another time, or its signature is wrong.
    """
    url = _url(token)
    parts = urlsplit(url)
    host = HOST.fullmatch(parts.netloc)
    if parts.scheme != "https" or not host or parts.path != "/":
        raise BadTokenError(f"it is for {parts.scheme}://{parts.netloc}{parts.path}, which is no STS")
    given = parse_qsl(parts.query, keep_blank_values=True)
    values = {name.lower(): value for name, value in given}
    if len(values) != len(given):
        raise BadTokenError("a parameter is there twice")
    if extra := sorted(values.keys() - ALLOWED):
        raise BadTokenError(f"it has {', '.join(extra)}, which is no part of a presigned GetCallerIdentity")
    if values.get("action") != "GetCallerIdentity":
        raise BadTokenError(f"it asks for {values.get('action')}, not for GetCallerIdentity")
    if CLUSTER_HEADER not in values.get("x-amz-signedheaders", "").split(";"):
        raise BadTokenError(f"{CLUSTER_HEADER} is not signed")
    date = _check_time(values, now)
    access_key, day, region, *scope = [*values.get("x-amz-credential", "").split("/"), "", "", ""][:5]
    if day != date[:8] or scope != ["sts", "aws4_request"] or host[1] not in (region, None):
        raise BadTokenError(f"its credential {values.get('x-amz-credential')!r} is not for {parts.netloc} on that day")
    secret = secret_of(access_key)
    if secret is None or not hmac.compare_digest(secret.session, values.get("x-amz-security-token", "")):
        raise BadTokenError(f"nobody has the access key {access_key}, or its session is another")
    # As it was written: what is encoded anew may be encoded otherwise.
    unsigned = "&".join(each for each in parts.query.split("&") if not each.lower().startswith("x-amz-signature="))
    expected = _signature(f"https://{parts.netloc}/?{unsigned}", cluster, date, region, access_key, secret)
    if not hmac.compare_digest(expected, values.get("x-amz-signature", "")):
        raise BadTokenError(f"it is not signed for cluster {cluster} with the secret of {access_key}")
    return access_key, region


def _url(token: str) -> str:
    if not token.startswith(PREFIX):
        raise BadTokenError(f"it does not begin with {PREFIX}")
    encoded = token.removeprefix(PREFIX)
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadTokenError("it is not in base64") from error


def _check_time(values: dict[str, str], now: datetime.datetime) -> str:
    """The date in it, as it is written there."""
    date, expires = values.get("x-amz-date", ""), values.get("x-amz-expires", "")
    try:
        made = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise BadTokenError(f"its date is {date!r}") from error
    if not expires.isdigit() or not 0 < int(expires) <= LONGEST_EXPIRY_SECONDS:
        raise BadTokenError(f"it expires after {expires!r} s; {LONGEST_EXPIRY_SECONDS} s is the longest")
    if not made - AHEAD <= now < made + LIFETIME:
        raise BadTokenError(f"it is of {date}, and good for {LIFETIME.seconds // 60} minutes")
    return date


def _signature(url: str, cluster: str, date: str, region: str, access_key: str, secret: Secret) -> str:
    request = AWSRequest("GET", url, headers={CLUSTER_HEADER: cluster})
    request.context["timestamp"] = date
    signer = SigV4QueryAuth(Credentials(access_key, secret.key), "sts", region)
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def secret_of(access_key: str) -> Secret | None:
    """The secret of a key that IAM, STS or everybody knows."""
    if access_key in PUBLIC_KEYS:
        return Secret(PUBLIC_KEYS[access_key])
    if session := sts_backends[ACCOUNT][PARTITION].get_assumed_role_from_access_key(access_key):
        return Secret(session.secret_access_key, session.session_token)
    owner = iam_backends[ACCOUNT][PARTITION].get_user_from_access_key_id(access_key)
    keys = [key for key in owner.access_keys if key.access_key_id == access_key] if owner else []
    return Secret(keys[0].secret_access_key) if keys and keys[0].status == "Active" else None


def user(cluster: Cluster, arn: str, user_id: str, access_key: str) -> dict[str, Any] | None:
    """What a principal is in a cluster: `UserInfo` of Kubernetes. None for one that the cluster does not know.

    Whoever made the cluster, where it says so, and who has AmazonEKSClusterAdminPolicy on all of it, may do everything.
    Of the other access policies the sandbox has none: what those principals may do, RBAC says by their groups.
    """
    session = arn.rpartition("/")[2] if ":assumed-role/" in arn else ""
    entry = next((each for principal, each in cluster.entries.items() if _same(principal, arn)), None)
    admin = arn == cluster.creator and cluster.about["accessConfig"]["bootstrapClusterCreatorAdminPermissions"]
    if entry is None and not admin:
        return None
    entry = entry or {"username": arn, "kubernetesGroups": [], "policies": {}}
    scope = entry["policies"].get(ADMIN_POLICY, {}).get("accessScope", {}).get("type")
    # EKS writes @ of a session's name as - (EKS user guide, "Create access entries").
    name = entry["username"].replace("{{SessionName}}", session.replace("@", "-"))
    extra = {"accessKeyId": access_key, "arn": arn, "principalId": user_id.partition(":")[0], "sessionName": session}
    return {
        "username": name.replace("{{SessionNameRaw}}", session),
        "uid": f"aws-iam-authenticator:{ACCOUNT}:{user_id.partition(':')[0]}",
        "groups": [*entry["kubernetesGroups"], *([MASTERS] if admin or scope == "cluster" else [])],
        "extra": {key: [value] for key, value in extra.items()},
    }


def _same(principal: str, arn: str) -> bool:
    """Whether an access entry is for a caller. A session's ARN has its role's name, without path."""
    if ":assumed-role/" not in arn:
        return principal == arn
    role = arn.split("/")[1]
    return ":role/" in principal and principal.rpartition("/")[2] == role


def identity(access_key: str, region: str) -> tuple[str, str]:
    """ARN and id of whoever has an access key, as STS says it."""
    id, arn, _ = sts_backends[ACCOUNT][PARTITION].get_caller_identity(access_key, region)
    return str(arn), str(id)


def review(faults: Faults, region: str, name: str, body: bytes) -> dict[str, Any]:
    """Answer a TokenReview of the API server of a cluster.

    Raises:
        ConnectionCutError: The token is for the STS of a region that is lost.
        ValueError: The body is no TokenReview.
    """
    asked = json.loads(body)
    if not isinstance(asked, dict) or not isinstance(asked.get("spec"), dict):
        raise ValueError("the body is no TokenReview")
    status: dict[str, Any] = {"authenticated": False}
    cluster = clusters(region).get(name)
    try:
        if cluster is None:
            raise BadTokenError(f"{region} has no cluster {name}")
        now = datetime.datetime.now(datetime.UTC)
        access_key, sts = check(str(asked["spec"].get("token", "")), name, now, secret_of)
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
