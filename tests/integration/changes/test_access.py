"""A private cluster API: an operator outside is not answered, the runner inside the VPC is, with the real engine."""

from __future__ import annotations

import pytest

from dr.errors import Failed
from sandbox.emulator_client import ask
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

RUNNER = {"runner": True, "runnerImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/ml-dr/runner:1"}
OTHER_ADDRESS, ADDRESS = "198.51.100.9", "203.0.113.10"


def test_operator_outside_the_public_access_cidrs_is_refused_before_anything_changes(
    deployed: SandboxUnderTest,
) -> None:
    ask(deployed.server, "POST", "operator", {"address": OTHER_ADDRESS})
    try:
        with deployed.configured("dr", tags={"team": "ml"}), pytest.raises(Failed) as caught:
            deployed.engine.up("dr")
    finally:
        ask(deployed.server, "POST", "operator", {"address": ADDRESS})

    text = str(caught.value)
    assert "cluster ml-dr in us-west-2: the API server" in text
    assert "with dr:apiAccess public, its address has to be in dr:apiCidrs" in text
    assert deployed.engine.preview("dr").none


def test_runner_deploys_into_a_private_cluster_that_does_not_answer_outside(inside: SandboxUnderTest) -> None:
    from dr.config.project import load_topology
    from dr.operations import runner

    try:
        with inside.configured("dr", apiAccess="private", apiCidrs=None, **RUNNER):
            inside.engine.up("dr")  # changes nothing in the cluster, and closes its API at the end
            with pytest.raises(Failed, match="it has to be inside the cluster's VPC"):
                inside.engine.up("dr")
            inside.configure("dr", rolloutGraceSeconds=200)
            done = runner.run(load_topology(inside.local.project, "dr"), inside.local.project, "pulumi up -s dr --yes")
            assert done.status == "SUCCEEDED", done.log
            assert any("Resources:" in line for line in done.log)
    finally:
        # An update that opens the API is not refused.
        inside.engine.up("dr")
