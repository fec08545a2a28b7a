"""What reads IAM and Route 53 while their control planes do not answer: it ends, names what it could not read, and
changes nothing."""

from __future__ import annotations

import pytest

from dr.errors import Failed
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]


def test_refresh_without_the_control_planes_ends_with_what_it_could_not_read(deployed: SandboxUnderTest) -> None:
    before = deployed.engine.resources("dr")
    deployed.fault(kind="region", region="us-east-1", unreachable=True, with_global=True)
    with pytest.raises(Failed) as caught:
        deployed.engine.preview("dr", refresh=True)

    assert "aws:iam/role:Role" in str(caught.value)
    assert deployed.engine.resources("dr") == before
    deployed.repair()
    assert deployed.engine.preview("dr", refresh=True).none
