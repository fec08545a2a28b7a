"""Fixtures of both stacks, deployed once for all files of a folder. The folder's conftest.py imports them.

Each test restores its changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox.model_set import train
from tests.support.sandbox import STACKS, SandboxUnderTest, sandbox_in

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
BY_DIGEST = {
    "inferenceImage": f"docker.io/seldonio/mlserver:1.7.1@{DIGEST}",
    "toolsImage": f"public.ecr.aws/lambda/python:3.13@{DIGEST}",
    "proxyImage": f"docker.io/envoyproxy/envoy:distroless-v1.40.0@{DIGEST}",
}
"""The images of Pulumi.yaml with digests: without them, every preview shows a warning."""


@contextmanager
def stacks(folders: pytest.TempPathFactory, tier: str | None = None, **settings: object) -> Iterator[SandboxUnderTest]:
    """A sandbox with both stacks as committed, except for settings, and a published model set."""
    with sandbox_in(folders.mktemp("stacks")) as sandbox:
        sandbox.configure("dr", tier=tier)
        for stack in STACKS:
            sandbox.configure(stack, **BY_DIGEST, **settings)
            assert set(sandbox.engine.up(stack).counts) == {"create"}
        sandbox.publish(train(folders.mktemp("model")))
        # With a published model set, every update waits for replicas, even without a change.
        again = sandbox.engine.up("primary")
        assert again.none, again.changed
        yield sandbox


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """A sandbox with both stacks as committed and a published model set."""
    with stacks(tmp_path_factory) as sandbox:
        yield sandbox


@pytest.fixture
def deployed(deployment: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The same sandbox; its faults are removed after the test."""
    yield deployment
    deployment.repair()


@pytest.fixture
def inside(deployed: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch) -> SandboxUnderTest:
    """The same sandbox, with its environment variables set: the clusters are reached by its kubeconfig."""
    for name, value in deployed.engine.variables.items():
        monkeypatch.setenv(name, value)
    return deployed
