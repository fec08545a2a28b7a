"""The runbook in both clusters, and every command in it on a whole sandbox."""

from __future__ import annotations

from functools import partial

import pytest

from dr.clusters.api_client import ClusterAddress, ClusterApi
from dr.config.project import load_topology
from dr.control.control_bucket import read_control
from dr.operations import clients_dns
from dr.operations.runbook import CONFIG_MAP, FILE
from dr.topology.serving import NAMESPACE
from dr.topology.topology import Role
from tests.support.dr_command import dr
from tests.support.network import EAST, WEST, load_balancer
from tests.support.registry_server import RUNS, STOPPED, found
from tests.support.runbook import COMMANDS, written
from tests.support.sandbox import STACKS, SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

PUBLIC_NAME = "inference.ml.example.com"
ELSEWHERE = {
    ("dr", *written("failover", "--yes")),  # test_failover.py
    ("dr", *written("drill", "region-loss")),  # tests of drills
    ("dr", *written("drill", "stop")),
}
"""Commands that other tests run on a whole sandbox."""
IN_NORMAL_OPERATION = {
    ("status",): 0,
    ("check",): 1,  # findings of this sandbox; test_readiness.py
    ("rollout",): 0,
    ("rollout", "--role", "recovery"): 0,
    ("automate",): 0,
    ("pause",): 0,
    ("resume",): 0,
    ("failover",): 3,
    ("switchover",): 0,
    ("failback",): 3,
}
"""Exit code by the first words of a command that changes no traffic."""
AFTER_A_RUN = ("journal", "incidents", "report")


@pytest.mark.parametrize("role", Role)
def test_each_cluster_has_the_runbook_that_the_command_prints(inside: SandboxUnderTest, role: Role) -> None:
    control = read_control(load_topology(inside.local.project, "dr"), Role.RECOVERY)
    half = control.halves[role]
    assert half.cluster
    cluster = ClusterApi(ClusterAddress(half.cluster.name, half.region, half.cluster.endpoint, half.cluster.ca_data))
    found = cluster.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CONFIG_MAP}")

    code, printed = dr(inside, "runbook")

    assert code == 0
    assert found["data"] == {FILE: printed["runbook"]}


def test_every_command_of_the_runbook_runs_and_moves_traffic_as_it_says(inside: SandboxUnderTest) -> None:
    sandbox, ran = inside, set(ELSEWHERE)

    def run(*words: str) -> tuple[int, object]:
        """Run the command of the runbook that these words select."""
        line = written(*words)
        ran.add(("dr", *line))
        return dr(sandbox, *line)

    def ends(words: tuple[str, ...], code: int) -> bool:
        return run(*words)[0] == code

    sandbox.advance(3)
    for words, expected in IN_NORMAL_OPERATION.items():
        # A busy machine may answer a request late, which `dr status` reports.
        wait_for(partial(ends, words, expected), f"exit code {expected} of {words}")

    for operation, region in (("switchover", WEST), ("failback", EAST)):
        with sandbox.time_passes():
            code, document = run(operation, "--yes")
        assert code == 0, document
        assert clients_dns.ask(PUBLIC_NAME).names[-1:] == load_balancer(sandbox, region)
        assert {each: found(sandbox, each) for each in (EAST, WEST)} == STOPPED | {region: RUNS[region]}
    for name in AFTER_A_RUN:
        code, document = run(name)
        assert code == 0, (name, document)
    sandbox.advance(5)
    for stack in STACKS:
        ran.add(("pulumi", "up", "--stack", stack))
        changes = sandbox.engine.up(stack)
        assert changes.none, (stack, changes.changed)

    assert ran == set(COMMANDS)
