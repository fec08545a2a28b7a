"""Both stacks, deployed once for the tests of operations: checks, drills, failovers and failbacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.deployment import deployed, inside, stacks
from tests.support.registry_server import SETTINGS
from tests.support.sandbox import SandboxUnderTest

__all__ = ["deployed", "deployment", "inside"]


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """A sandbox with both stacks as committed, the MLflow server, and a published model set."""
    with stacks(tmp_path_factory, **SETTINGS) as sandbox:
        yield sandbox
