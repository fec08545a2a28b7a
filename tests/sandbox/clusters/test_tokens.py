"""EKS tokens: those of `dr eks-token` are valid, and each fault of a token is reported."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from dr.cli.main import app
from dr.clusters.eks_token import eks_token
from dr.errors import Failed, Invalid
from sandbox.aws.extensions.eks import ADMIN_POLICY, Cluster
from sandbox.clusters.tokens import PREFIX, BadTokenError, Secret, check, user

KEY, SECRET = "AKIAEXAMPLE", "a secret"  # pragma: allowlist secret
ROLE_SESSION = "arn:aws:sts::123456789012:assumed-role/operators/ada@example.com"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


def made(cluster: str = "inference", region: str = "us-west-2") -> str:
    return str(eks_token(cluster, region)["status"]["token"])


def url_of(token: str) -> str:
    encoded = token.removeprefix(PREFIX)
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


def changed(change: Callable[[str], str]) -> str:
    return PREFIX + base64.urlsafe_b64encode(change(url_of(made())).encode()).decode().rstrip("=")


def replaced(old: str, new: str) -> str:
    assert old in url_of(made())
    return changed(lambda url: url.replace(old, new))


def secret_of(access_key: str) -> Secret | None:
    return Secret(SECRET) if access_key == KEY else None


def checked(token: str, cluster: str = "inference", minutes: float = 0) -> tuple[str, str]:
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
    return check(token, cluster, now, secret_of)


# Tokens of dr eks-token -----------------------------------------------------------------------------------------------


def test_a_token_of_the_eks_token_command_is_valid() -> None:
    done = CliRunner().invoke(app, ["eks-token", "--cluster-name", "inference", "--region", "us-west-2"])

    said = json.loads(done.stdout)
    assert (said["kind"], said["apiVersion"]) == ("ExecCredential", "client.authentication.k8s.io/v1")
    assert checked(said["status"]["token"]) == (KEY, "us-west-2")


def test_a_token_names_sts_of_the_region_and_signs_the_cluster() -> None:
    parts = urlsplit(url_of(made()))

    assert (parts.scheme, parts.netloc, parts.path) == ("https", "sts.us-west-2.amazonaws.com", "/")
    query = parse_qs(parts.query)
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["X-Amz-Expires"] == ["60"]


def test_a_token_in_china_names_the_domain_of_the_partition() -> None:
    assert urlsplit(url_of(made(region="cn-north-1"))).netloc == "sts.cn-north-1.amazonaws.com.cn"


def test_a_token_expires_for_the_caller_before_it_expires_for_the_cluster() -> None:
    until = datetime.datetime.fromisoformat(eks_token("inference", "us-west-2")["status"]["expirationTimestamp"])

    left = until - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=13) < left <= datetime.timedelta(minutes=14)


def test_missing_credentials_are_reported_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(Failed, match=r"there are none in this environment\n.*aws sso login"):
        made()


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "unknown")

    with pytest.raises(Failed, match="unknown"):
        made()


def test_a_region_that_would_change_the_host_is_refused() -> None:
    with pytest.raises(Invalid, match=r'"us-west-2\.evil\.example/" is not an AWS region'):
        made(region="us-west-2.evil.example/")


# Tokens that a cluster accepts ----------------------------------------------------------------------------------------


def test_a_session_key_needs_its_session_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of the session")
    token, now = made(), datetime.datetime.now(datetime.UTC)

    assert check(token, "inference", now, lambda key: Secret(SECRET, "of the session"))[0] == KEY
    with pytest.raises(BadTokenError, match="has another session token"):
        check(token, "inference", now, lambda key: Secret(SECRET, "of another"))


def test_a_token_is_valid_for_15_minutes() -> None:
    assert checked(made(), minutes=14.9)
    with pytest.raises(BadTokenError, match="valid for 15 minutes"):
        checked(made(), minutes=15.1)
    with pytest.raises(BadTokenError, match="valid for 15 minutes"):
        checked(made(), minutes=-5.1)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("https://", "http://", "is not an endpoint of STS"),
        ("sts.us-west-2.amazonaws.com", "sts.us-west-2.evil.example", "is not an endpoint of STS"),
        ("amazonaws.com/", "amazonaws.com/x", "is not an endpoint of STS"),
        ("sts.us-west-2.", "sts.us-east-1.", "is not for sts.us-east-1.amazonaws.com"),
        ("GetCallerIdentity", "GetSessionToken", "its action is GetSessionToken"),
        ("host%3Bx-k8s-aws-id", "host", "x-k8s-aws-id is not signed"),
        ("X-Amz-Expires=60", "X-Amz-Expires=901", "the maximum is 900 s"),
        ("X-Amz-Expires=60", "X-Amz-Expires=x", "the maximum is 900 s"),
        ("X-Amz-Expires=60", "X-Amz-Expires=61", "not signed for cluster inference"),
        ("X-Amz-Date=2", "X-Amz-Date=x", "its date is"),
        (f"Credential={KEY}", "Credential=AKIAOTHER", "access key AKIAOTHER does not exist"),
        ("X-Amz-Signature=", "X-Amz-Signature=0", "not signed for cluster inference"),
        ("&X-Amz-Date", "&Version=1&X-Amz-Date", "a parameter occurs twice"),
        ("&X-Amz-Date", "&RoleArn=x&X-Amz-Date", "rolearn does not belong to"),
    ],
)
def test_a_changed_token_is_refused_with_the_reason(old: str, new: str, reason: str) -> None:
    with pytest.raises(BadTokenError, match=reason):
        checked(replaced(old, new))


def test_a_token_for_another_cluster_is_refused() -> None:
    with pytest.raises(BadTokenError, match="not signed for cluster training"):
        checked(made(), cluster="training")


@pytest.mark.parametrize("token", ["", "x", f"{PREFIX}%%%", f"{PREFIX}w7w", PREFIX])
def test_malformed_tokens_are_refused(token: str) -> None:
    with pytest.raises(BadTokenError):
        checked(token)


# Users of a cluster ---------------------------------------------------------------------------------------------------


def cluster(*, bootstrap: bool = False, **entries: dict[str, object]) -> Cluster:
    access = {"bootstrapClusterCreatorAdminPermissions": bootstrap, "authenticationMode": "CONFIG_MAP"}
    named = {f"arn:aws:iam::123456789012:role/teams/{name}": entry for name, entry in entries.items()}
    return Cluster({"accessConfig": access}, creator=ROLE_SESSION, entries=named)


def entry(*groups: str, policies: dict[str, object] | None = None) -> dict[str, object]:
    username = "arn:aws:sts::123456789012:assumed-role/operators/{{SessionName}}"
    return {"username": username, "kubernetesGroups": list(groups), "policies": policies or {}}


def test_a_principal_without_an_entry_has_no_access() -> None:
    assert user(cluster(others=entry()), ROLE_SESSION, "AROA:ada", KEY) is None


def test_a_role_with_an_entry_has_its_groups_and_its_session_name() -> None:
    found = user(cluster(operators=entry("readers")), ROLE_SESSION, "AROA:ada", KEY)

    assert found is not None
    assert found["groups"] == ["readers"]
    assert found["username"] == "arn:aws:sts::123456789012:assumed-role/operators/ada-example.com"
    assert found["extra"]["arn"] == [ROLE_SESSION]


@pytest.mark.parametrize(
    ("policies", "groups"),
    [
        ({ADMIN_POLICY: {"accessScope": {"type": "cluster"}}}, ["system:masters"]),
        ({ADMIN_POLICY: {"accessScope": {"type": "namespace", "namespaces": ["ml-serving"]}}}, []),
        ({ADMIN_POLICY.replace("ClusterAdmin", "View"): {"accessScope": {"type": "cluster"}}}, []),
    ],
)
def test_only_the_administrator_policy_on_the_whole_cluster_grants_administrator_rights(
    policies: dict[str, object], groups: list[str]
) -> None:
    found = user(cluster(operators=entry(policies=policies)), ROLE_SESSION, "AROA:ada", KEY)

    assert found is not None
    assert found["groups"] == groups


def test_creator_of_a_cluster_without_access_entries_is_an_administrator_if_the_cluster_grants_it() -> None:
    found = user(cluster(bootstrap=True), ROLE_SESSION, "AROA:ada", KEY)

    assert found is not None
    assert found["groups"] == ["system:masters"]
    assert user(cluster(bootstrap=False), ROLE_SESSION, "AROA:ada", KEY) is None
