"""An API server that hangs or is stopped: a warning at preview and a refusal at an update, both within seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest

from dr.errors import Failed
from sandbox.local import read_json
from tests.support.sandbox import SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = pytest.mark.engine

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
    wait_for(lambda: not sandbox.engine.preview("dr").warnings)


@pytest.mark.parametrize("broken", [gone, hanging])
def test_unreachable_cluster_is_a_warning_at_preview_and_refuses_an_update(
    broken: Callable[..., object], deployed: SandboxUnderTest
) -> None:
    with broken(deployed, WEST), deployed.configured("dr", backupRetentionDays="36"):  # type: ignore[attr-defined]
        began = time.monotonic()
        previewed = deployed.engine.preview("dr")
        print(f"\npreview, {broken.__name__}: {time.monotonic() - began:.1f} s", *previewed.warnings, sep="\n")
        since = deployed.mark()
        with pytest.raises(Failed) as caught:
            deployed.engine.up("dr")
        print(caught.value)
    changed = [name for name in deployed.operations(since) if name.partition(":")[2].startswith(("Update", "Put"))]

    (warning,) = [each for each in previewed.warnings if each.startswith("cluster ml-dr in us-west-2: ")]
    assert "does not answer" in warning
    assert "this preview shows neither what the API server would refuse nor" in warning
    assert "refused: cluster ml-dr in us-west-2: the API server at https://127.0.0.1:" in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert changed == []
    assert deployed.engine.up("dr").none


def test_unreachable_cluster_does_not_prevent_the_change_to_tier_backup(deployed: SandboxUnderTest) -> None:
    with hanging(deployed, WEST), deployed.configured("dr", tier="backup"):
        previewed = deployed.engine.preview("dr")

    assert not [each for each in previewed.warnings if each.startswith("cluster ml-dr in us-west-2: ")]
    assert previewed.counts["delete"] > 0


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
