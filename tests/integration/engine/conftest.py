"""Both stacks, deployed once for all files of a worker: a test leaves them as it found them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.engine import WITHOUT_CHECKPOINTS
from tests.support.sandbox import STACKS, SandboxUnderTest, sandbox_in


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """Both stacks as committed, with somebody to tell, in a sandbox of their own."""
    with sandbox_in(tmp_path_factory.mktemp("stacks")) as sandbox:
        for stack in STACKS:
            sandbox.configure(stack, alertAddresses=["oncall@example.com"])
            assert set(sandbox.engine.up(stack, extra=WITHOUT_CHECKPOINTS).counts) == {"create"}
        yield sandbox


@pytest.fixture
def deployed(deployment: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The same, with nothing broken after the test."""
    yield deployment
    deployment.mend()
