"""Both stacks, deployed once a file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.engine import WITHOUT_CHECKPOINTS
from tests.support.sandbox import STACKS, SandboxUnderTest, sandbox_in


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """Both stacks as committed, in a sandbox of their own."""
    with sandbox_in(tmp_path_factory.mktemp("stacks")) as sandbox:
        for stack in STACKS:
            assert set(sandbox.engine.up(stack, extra=WITHOUT_CHECKPOINTS).counts) == {"create"}
        yield sandbox


@pytest.fixture
def deployed(deployment: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """The same, with nothing broken after the test."""
    yield deployment
    deployment.mend()
