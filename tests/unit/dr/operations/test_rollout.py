import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from dr.cli import main
from dr.clusters.rollout_wait import APPS, DEPLOYMENT
from dr.control import contract
from dr.control.contract import ClusterRecord, Half
from dr.errors import Exit
from dr.operations.rollout import AUTOSCALER, exit_code, region_rollout
from dr.topology.topology import Role
from tests.support.api_server import ApiServer, serving
from tests.support.builders import half
from tests.support.rollouts import FLOOR, deployment, pod, replica_set, starting, waiting

PODS = "/api/v1/namespaces/ml-serving/pods"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A cluster with a complete rollout."""
    monkeypatch.setattr("dr.clusters.api_client._trust", lambda ca_data: None)
    with serving() as api:
        api.answers |= {
            AUTOSCALER: (200, {"spec": {"minReplicas": FLOOR}}),
            DEPLOYMENT: (200, deployment()),
            f"{APPS}/replicasets": (200, {"items": [replica_set(1), replica_set(2)]}),
            PODS: (200, {"items": [pod(number) for number in range(FLOOR)]}),
        }
        yield api


def deployed(server: ApiServer, role: Role = Role.PRIMARY, **changes: Any) -> Half:
    record = ClusterRecord("ml-dr", server.endpoint, "UEVN")
    return half(role, cluster={**vars(record)}, **changes)


def test_complete_rollout_exits_with_ok(server: ApiServer) -> None:
    found = region_rollout(deployed(server), 180)

    assert (found.state, found.problems, exit_code([found])) == ("complete", (), Exit.OK)


def test_stuck_rollout_exits_with_failure_and_the_remedy(server: ApiServer) -> None:
    server.answers[DEPLOYMENT] = (200, deployment(updatedReplicas=1, availableReplicas=5))
    server.answers[PODS] = (200, {"items": [starting(1, scheduled=10**8, **waiting("ErrImagePull", "not found"))]})
    found = region_rollout(deployed(server), 180)

    assert (found.state, exit_code([found])) == ("stuck", Exit.FAILED)
    assert "set dr:inferenceImage" in found.problems[0].remedy


def test_progressing_rollout_exits_with_unknown(server: ApiServer) -> None:
    server.answers[DEPLOYMENT] = (200, deployment(updatedReplicas=1, availableReplicas=5))
    found = region_rollout(deployed(server), 180)

    assert (found.state, exit_code([found])) == ("progressing", Exit.UNKNOWN)


def test_region_below_warm_requires_no_replicas(server: ApiServer) -> None:
    none = deployment(replicas=0, updatedReplicas=0, availableReplicas=0)
    none["spec"]["replicas"] = 0
    server.answers[DEPLOYMENT] = (200, none)

    assert region_rollout(deployed(server, Role.RECOVERY, tier="pilot"), 180).state == "complete"
    assert region_rollout(deployed(server, Role.RECOVERY, tier="warm"), 180).state == "stuck"


def test_deleted_deployment_exits_with_failure(server: ApiServer) -> None:
    del server.answers[DEPLOYMENT]
    found = region_rollout(deployed(server), 180)

    assert (found.state, exit_code([found])) == ("missing", Exit.FAILED)
    assert "`pulumi up -s primary` makes it" in found.problems[0].remedy


def test_refused_credentials_exit_with_unknown(server: ApiServer) -> None:
    server.answers[AUTOSCALER] = (401, {"message": "Unauthorized"})
    found = region_rollout(deployed(server), 180)

    assert (found.state, exit_code([found])) == ("unknown", Exit.UNKNOWN)


def test_region_without_a_cluster_exits_with_ok() -> None:
    found = region_rollout(half(Role.RECOVERY, tier="backup"), 180)

    assert (found.state, exit_code([found])) == ("no cluster", Exit.OK)


def test_rollout_command_shows_every_region_of_the_contract(server: ApiServer) -> None:
    bucket = "ml-dr-123456789012-us-west-2-control"
    with mock_aws():
        s3 = boto3.client("s3", "us-west-2")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        for role in Role:
            document = json.dumps(deployed(server, role, tier=None if role is Role.PRIMARY else "warm").to_dict())
            s3.put_object(Bucket=bucket, Key=contract.key_of(role), Body=document)
        shown, listed = (CliRunner().invoke(main.app, ["rollout", *more]) for more in ([], ["--json"]))
        one = CliRunner().invoke(main.app, ["rollout", "--json", "--role", "recovery"])

    assert shown.exit_code == listed.exit_code == Exit.OK, shown.output
    assert "primary (us-east-1)" in shown.output
    assert "6 of 6 replicas are updated" in shown.output
    assert [each["state"] for each in json.loads(listed.output)["rollouts"]] == ["complete", "complete"]
    assert [each["role"] for each in json.loads(one.output)["rollouts"]] == ["recovery"]
