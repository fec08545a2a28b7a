import base64
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dr.clients import Missing, Unreachable
from dr.clusters import api_client
from dr.clusters.api_client import ClusterAddress, ClusterApi, Denied
from dr.errors import DrError, Failed
from tests.support.api_server import ApiServer, closed, serving, silent


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setattr(api_client, "_trust", lambda ca_data: ssl.create_default_context())
    with serving() as api:
        yield api


def api(endpoint: str, read_seconds: float = 5.0) -> ClusterApi:
    return ClusterApi(ClusterAddress("ml-dr", "us-west-2", endpoint, "UEVN"), 1.0, read_seconds)


def test_a_request_carries_a_token_signed_for_the_cluster_and_its_query(server: ApiServer) -> None:
    server.answers["/api/v1/pods"] = (200, {"items": []})
    client = api(server.endpoint)
    assert client.get("/api/v1/pods", labelSelector="app=inference") == {"items": []}
    client.get("/api/v1/pods")

    (method, path, token), (_, _, again) = server.requests
    assert (method, path) == ("GET", "/api/v1/pods?labelSelector=app%3Dinference")
    assert token.startswith("k8s-aws-v1.")
    assert again == token
    url = base64.urlsafe_b64decode(token.removeprefix("k8s-aws-v1.") + "==").decode()
    assert "x-k8s-aws-id" in url
    assert "sts.us-west-2.amazonaws.com" in url


def test_expired_or_refused_token_is_signed_again(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[dict[str, Any]] = []

    def sign(*_: object) -> dict[str, Any]:
        signed.append({"status": {"token": f"t{len(signed) + 1}"}})
        return signed[-1]

    monkeypatch.setattr(api_client, "eks_token", sign)
    server.answers |= {"/readyz": (200, "ok"), "/refused": (401, {"message": "Unauthorized"})}
    client = api(server.endpoint)
    client.ready()
    client.ready()
    with pytest.raises(Denied):
        client.get("/refused")
    client.ready()
    monkeypatch.setattr(api_client, "TOKEN_SECONDS", -1.0)
    client.ready()

    assert [token for _, _, token in server.requests] == ["t1", "t1", "t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Denied), (403, Denied), (404, Missing), (500, Failed), (503, Failed)]
)
def test_error_class_follows_the_http_status_with_the_servers_message(
    status: int, kind: type[DrError], server: ApiServer
) -> None:
    server.answers["/apis"] = (status, {"message": "because of that"})
    with pytest.raises(Failed) as caught:
        api(server.endpoint).get("/apis")

    assert type(caught.value) is kind
    assert f"GET /apis: {status}" in caught.value.problems[0].fact
    assert caught.value.problems[0].fact.endswith("because of that")


def test_client_takes_the_time_from_the_servers_responses(server: ApiServer) -> None:
    server.answers["/apis"] = (200, {})
    client = api(server.endpoint)
    client.now = datetime(2000, 1, 1, tzinfo=UTC)
    client.get("/apis")

    assert abs((datetime.now(UTC) - client.now).total_seconds()) < 5


@pytest.mark.parametrize("allowed", [True, False])
def test_permission_is_checked_by_a_self_subject_access_review(allowed: bool, server: ApiServer) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    server.answers[path] = (201, {"status": {"allowed": allowed}})

    assert api(server.endpoint).allows("patch", "apps", "deployments", "ml-serving") is allowed
    assert server.requests[0][:2] == ("POST", path)


def test_an_api_server_that_hangs_is_unreachable_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "_trust", lambda ca_data: ssl.create_default_context())
    began = time.monotonic()
    with silent() as endpoint, pytest.raises(Unreachable) as caught:
        api(endpoint, read_seconds=0.5).ready()

    assert time.monotonic() - began < 3
    assert f"the API server at {endpoint} does not answer" in caught.value.problems[0].fact


def test_an_api_server_that_refuses_connections_is_unreachable_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "_trust", lambda ca_data: ssl.create_default_context())
    with closed() as endpoint, pytest.raises(Unreachable) as caught:
        api(endpoint).ready()

    assert "Connection refused after 0." in caught.value.problems[0].fact


def test_a_proxy_of_the_environment_is_used_unless_the_host_is_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.1")

    assert api_client.proxy("https://ABC.gr7.us-west-2.eks.amazonaws.com") == "http://proxy.example.com:3128"
    assert api_client.proxy("https://10.0.0.1") == ""


def test_missing_credentials_are_reported_and_not_as_unreachable(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(Failed, match="AWS credentials: there are none"):
        api(server.endpoint).ready()


def test_change_leaves_the_fields_to_their_other_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    owners = [{"manager": "ml-dr", "operation": "Apply"}, {"manager": "dr", "operation": "Update"}]

    def merge(self: ClusterApi, path: str, change: Any) -> dict[str, Any]:
        sent.append(change)
        return {"metadata": {"managedFields": owners}}

    monkeypatch.setattr(ClusterApi, "merge", merge)
    api("https://cluster.example").change("/apis/x", {"spec": {"replicas": 0}})

    assert sent == [{"spec": {"replicas": 0}}, {"metadata": {"managedFields": owners[:1]}}]
