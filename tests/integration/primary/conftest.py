"""The primary stack without a dr stack, deployed once for three files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.local import ROOT
from tests.support.sandbox import SandboxUnderTest, sandbox_in

PACK = (str(ROOT / "policies"),)


@pytest.fixture(scope="package")
def primary_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxUnderTest]:
    """The primary stack as committed, deployed under the policy pack."""
    with sandbox_in(tmp_path_factory.mktemp("primary")) as sandbox:
        # A rule that failed on unknown values of a first preview would be reported as "can't run policy".
        assert sandbox.engine.preview("primary", policy_packs=PACK).violations == ()
        assert sandbox.engine.up("primary", policy_packs=PACK).violations == ()
        yield sandbox
