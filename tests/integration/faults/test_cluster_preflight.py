"""An API server that hangs or is stopped: a warning at preview and a refusal at an update, both within seconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil
import pytest

from dr.errors import Failed
from sandbox.local import read_json
from tests.support.sandbox import SandboxUnderTest, warned
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

WEST, EAST = "us-west-2", "us-east-1"


def api_server(sandbox: SandboxUnderTest, region: str) -> int:
    """Return the process ID of a region's API server."""
    (state,) = [path for path in sandbox.local.folder.rglob("processes.json") if region in str(path.parent)]
    return int(read_json(state)["kube-apiserver"]["pid"] or 0)


@contextmanager
def hanging(sandbox: SandboxUnderTest, region: str) -> Iterator[None]:
    """Stop the API server's process until the block ends: it accepts connections and does not respond."""
    server = api_server(sandbox, region)
    os.kill(server, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server, signal.SIGCONT)


@contextmanager
def gone(sandbox: SandboxUnderTest, region: str) -> Iterator[None]:
    """Kill the API server until the block ends: it refuses connections; its supervisor then starts it again."""
    server = api_server(sandbox, region)
    supervisor = psutil.Process(server).ppid()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        os.kill(server, signal.SIGKILL)
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)
    wait_for(lambda: api_server(sandbox, region) not in (0, server))
    wait_for(lambda: not warned(sandbox.engine.preview("dr")))


def refused(sandbox: SandboxUnderTest) -> None:
    """Check that an update is refused before any change, with the address that does not answer."""
    since = sandbox.mark()
    with pytest.raises(Failed) as caught:
        sandbox.engine.up("dr")
    changed = [name for name in sandbox.operations(since) if name.partition(":")[2].startswith(("Update", "Put"))]

    print(caught.value)
    assert "refused: cluster ml-dr in us-west-2: the API server at https://127.0.0.1:" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert changed == []


def of_cluster(warnings: Sequence[str]) -> list[str]:
    """Return the warnings about the recovery region's cluster."""
    return [each for each in warnings if each.startswith("cluster ml-dr in us-west-2: ")]


def test_stopped_api_server_is_a_warning_at_preview_and_refuses_an_update(deployed: SandboxUnderTest) -> None:
    with gone(deployed, WEST):
        with deployed.configured("dr", backupRetentionDays="36"):
            previewed = deployed.engine.preview("dr")
            refused(deployed)
        with deployed.configured("dr", tier="backup"):
            without_cluster = deployed.engine.preview("dr")

    (warning,) = of_cluster(previewed.warnings)
    assert "does not answer" in warning
    assert "this preview shows neither what the API server would refuse nor" in warning
    # Tier backup removes the cluster, so its API server is not needed.
    assert not of_cluster(without_cluster.warnings)
    assert without_cluster.counts["delete"] > 0


def test_hanging_api_server_refuses_an_update_and_a_preview_ends_with_a_warning(deployed: SandboxUnderTest) -> None:
    with hanging(deployed, WEST):
        with deployed.configured("dr", backupRetentionDays="36"):
            refused(deployed)
        # The plugin asks for two minutes by default (README.md, "Troubleshooting").
        previewed = deployed.engine.preview("dr", extra={"PULUMI_K8S_CLIENT_TIMEOUT": "1"})

    (warning,) = of_cluster(previewed.warnings)
    assert "does not answer: timed out after" in warning
    assert "this preview shows neither what the API server would refuse nor" in warning
    assert deployed.engine.up("dr").none


def test_credentials_without_cluster_access_are_reported_with_how_to_grant_access(
    deployed: SandboxUnderTest,
) -> None:
    iam = deployed.client("iam", EAST)
    iam.create_user(UserName="visitor")
    key = iam.create_access_key(UserName="visitor")["AccessKey"]
    visitor = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    arn = "arn:aws:iam::123456789012:user/visitor"
    try:
        previewed = deployed.engine.preview("dr", extra=visitor)
        with pytest.raises(Failed) as caught:
            deployed.engine.up("dr", extra=visitor)
    finally:
        iam.delete_access_key(UserName="visitor", AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName="visitor")
    print(f"\n{caught.value}")

    (warning,) = [each for each in previewed.warnings if each.startswith("cluster ml-dr in us-west-2: ")]
    for said in (warning, str(caught.value)):
        assert f"the API server refuses the token of {arn}: GET /readyz: 401 Unauthorized" in said
        assert f"with {arn} in dr:operatorRoles" in said
        assert f"aws eks create-access-entry --cluster-name ml-dr --principal-arn {arn} --region us-west-2" in said
    assert "nothing was changed" in str(caught.value)
