"""Both stacks, deployed once for all files of a worker: a test leaves them as it found them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.model_set import train
from tests.support.sandbox import STACKS, SandboxUnderTest, sandbox_in

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
BY_DIGEST = {
    "inferenceImage": f"docker.io/seldonio/mlserver:1.7.1@{DIGEST}",
    "toolsImage": f"public.ecr.aws/lambda/python:3.13@{DIGEST}",
}
"""The images of Pulumi.yaml; without a digest every preview warns of them."""


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """Both stacks as committed, with somebody to tell and a model to serve, in a sandbox of their own."""
    with sandbox_in(tmp_path_factory.mktemp("stacks")) as sandbox:
        for stack in STACKS:
            sandbox.configure(stack, alertAddresses=["oncall@example.com"], **BY_DIGEST)
            assert set(sandbox.engine.up(stack).counts) == {"create"}
        sandbox.publish(train(tmp_path_factory.mktemp("model")).items)
        # From now on a deployment waits for replicas, though it changes nothing: there is a model to serve.
        assert sandbox.engine.up("primary").none
        yield sandbox


@pytest.fixture
def deployed(deployment: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The same, with nothing broken after the test."""
    yield deployment
    deployment.repair()


@pytest.fixture
def inside(deployed: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch) -> SandboxUnderTest:
    """The same, for a test that asks the clusters by the deployment's own kubeconfig."""
    for name, value in deployed.engine.variables.items():
        monkeypatch.setenv(name, value)
    return deployed
