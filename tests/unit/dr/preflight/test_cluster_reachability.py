import ssl
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dr.clusters import api_client
from dr.clusters.api_client import ClusterAddress
from dr.errors import Failed, Problem
from dr.preflight import cluster_reachability
from dr.preflight.cluster_reachability import access_changes, check, principal_of, probe
from dr.topology.topology import Role
from tests.support.api_server import ApiServer, closed, serving, silent
from tests.support.builders import topology

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
PUBLIC = {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}
PRIVATE = {"endpointPublicAccess": False}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(api_client, "_trust", lambda ca_data: ssl.create_default_context())
    monkeypatch.setattr(cluster_reachability, "READ_SECONDS", 0.3)
    monkeypatch.setattr(cluster_reachability, "CONNECT_SECONDS", 0.3)
    with mock_aws():
        yield


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving() as api:
        api.answers |= {"/readyz": (200, "ok"), REVIEW: (201, {"status": {"allowed": True}})}
        yield api


def at(endpoint: str) -> ClusterAddress:
    return ClusterAddress("ml-dr", "us-west-2", endpoint, "UEVN")


def cluster(monkeypatch: pytest.MonkeyPatch, endpoint: str, **changes: Any) -> None:
    """Let EKS describe a cluster; keywords replace fields."""
    about = {
        "status": "ACTIVE",
        "endpoint": endpoint,
        "certificateAuthority": {"data": "UEVN"},
        "resourcesVpcConfig": PUBLIC,
        **changes,
    }

    class Eks:
        def describe_cluster(self, name: str) -> dict[str, Any]:
            return {"cluster": {**about, "name": name}}

    made = boto3.client("sts", "us-west-2")
    monkeypatch.setattr(cluster_reachability, "client", lambda service, _: {"eks": Eks(), "sts": made}[service])


def test_ready_api_server_that_permits_deployment_has_no_problem(server: ApiServer) -> None:
    assert probe(at(server.endpoint)) is None


def test_refused_token_is_reported_with_its_principal_and_how_to_grant_access(server: ApiServer) -> None:
    server.answers["/readyz"] = (401, {"message": "Unauthorized"})
    found = probe(at(server.endpoint))

    assert found is not None
    assert "the API server refuses the token of arn:aws:sts::123456789012:user/moto" in found.fact
    assert "401 Unauthorized" in found.fact
    assert "dr:operatorRoles" in found.remedy
    assert "aws eks create-access-entry --cluster-name ml-dr" in found.remedy


def test_principal_without_permission_to_deploy_is_reported(server: ApiServer) -> None:
    server.answers[REVIEW] = (201, {"status": {"allowed": False}})
    found = probe(at(server.endpoint))

    assert found is not None
    assert "403 Forbidden: it may not patch Deployments in namespace ml-serving" in found.fact


def test_unready_api_server_is_reported_with_its_message(server: ApiServer) -> None:
    server.answers["/readyz"] = (500, "[-]etcd failed: reason withheld")
    found = probe(at(server.endpoint))

    assert found is not None
    assert "[-]etcd failed" in found.fact


def test_existing_cluster_that_responds_has_no_problem(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster(monkeypatch, server.endpoint)

    assert check(topology(existingCluster="theirs", existingVpc="vpc-0123456789abcdef0")).problem is None
    assert server.requests


@pytest.mark.parametrize("kind", [closed, silent])
def test_unreachable_cluster_refuses_the_update_within_seconds(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    with kind() as endpoint:
        cluster(monkeypatch, endpoint)
        found = check(topology(Role.RECOVERY))

    assert time.monotonic() - began < 3
    assert found.refused
    assert found.problem is not None
    assert found.problem.subject == "cluster ml-dr in us-west-2"
    assert f"the API server at {endpoint} does not answer" in found.problem.fact
    assert "dr:apiCidrs" in found.problem.remedy


def test_check_ends_within_its_time_limit_if_the_dns_resolver_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_reachability, "LONGEST_SECONDS", 0.3)
    monkeypatch.setattr(cluster_reachability, "probe", lambda address: time.sleep(5))
    cluster(monkeypatch, "https://ml-dr.example")
    began = time.monotonic()
    found = check(topology(Role.RECOVERY))

    assert time.monotonic() - began < 2
    assert found.problem is not None
    assert found.refused


def test_region_without_a_cluster_has_no_problem() -> None:
    assert check(topology(Role.RECOVERY)).problem is None


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "FAILED"])
def test_api_server_of_an_inactive_cluster_is_not_probed(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closed() as endpoint:
        cluster(monkeypatch, endpoint, status=status)

        assert check(topology(Role.RECOVERY)).problem is None


def test_unreachable_region_is_reported_without_refusing_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead(*_: str) -> Any:
        raise Failed(Problem("cluster ml-dr", "us-west-2 does not answer", "look at the region's health"))

    monkeypatch.setattr(cluster_reachability, "client", dead)
    found = check(topology(Role.RECOVERY))

    assert found.problem is not None
    assert not found.refused


def test_update_that_allows_api_access_is_not_refused_for_missing_access(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed() as endpoint:
        cluster(monkeypatch, endpoint, resourcesVpcConfig=PRIVATE)
        found = check(topology(Role.RECOVERY))

    assert found.problem is not None
    assert not found.refused
    assert "this update changes dr:apiCidrs from none to 203.0.113.0/24" in found.problem.fact


def test_api_cidrs_equal_to_the_configuration_are_not_a_change() -> None:
    assert access_changes(PUBLIC, topology()) == ""
    assert access_changes(PRIVATE, topology(apiAccess="private", apiCidrs="[]")) == ""


@pytest.mark.parametrize(
    ("caller", "principal"),
    [
        ("arn:aws:sts::123456789012:assumed-role/platform/ann", "arn:aws:iam::123456789012:role/platform"),
        ("arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:user/ann"),
    ],
)
def test_access_entry_of_an_assumed_role_session_names_the_role(caller: str, principal: str) -> None:
    assert principal_of(caller) == principal
