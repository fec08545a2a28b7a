"""Failover and failback on a whole sandbox: us-east-1 and the global control planes are lost, then return."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import config
from kubernetes.client import CustomObjectsApi

from dr.operations import clients_dns
from dr.topology.writers import WRITERS
from tests.support.dr_command import dr
from tests.support.drill import predicted
from tests.support.failback import NAME, fail_back_without_a_change
from tests.support.network import EAST, WEST, load_balancer
from tests.support.registry_server import RUNS, STOPPED, found
from tests.support.runbook import written
from tests.support.sandbox import STACKS, SandboxUnderTest
from tests.support.waiting import wait_for

pytestmark = pytest.mark.engine

CONTROL_PLANES = ("iam", "route53", "organizations", "globalaccelerator")
FORBIDDEN = {
    *("s3:PutBucketPolicy", "s3:PutBucketReplication", "s3:PutBucketVersioning", "s3:CreateBucket"),
    *("route53:ChangeResourceRecordSets", "route53:UpdateHealthCheck"),
}


@pytest.fixture
def restored(inside: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    yield inside
    inside.repair()


def active_backups(sandbox: SandboxUnderTest, region: str) -> list[str]:
    """Return what writes backups in a region's cluster."""
    path = str(sandbox.local.kubeconfig)
    api = CustomObjectsApi(config.new_client_from_config(config_file=path, context=region))
    specs = (
        api.get_namespaced_custom_object(each.group, each.version, each.namespace, each.resource, each.name)["spec"]
        for each in WRITERS
    )
    return [
        each.title
        for each, spec in zip(WRITERS, specs, strict=True)
        if {name: spec.get(name) for name in each.active} == each.active
    ]


def test_failover_serves_from_the_recovery_region_and_failback_leaves_no_change(restored: SandboxUnderTest) -> None:
    sandbox = restored
    sandbox.advance(3)
    code, planned = dr(sandbox, "failover")
    assert (code, [each["subject"] for each in planned["problems"]]) == (3, ["primary-lost"])

    sandbox.lose(EAST)
    sandbox.advance(5)
    code, planned = dr(sandbox, "failover")
    assert code == 0, planned
    assert {each["name"]: each["status"] for each in planned["guards"]}["primary-lost"] == "met"
    since = sandbox.mark()
    with sandbox.time_passes():
        code, done = dr(sandbox, *written("failover", "--yes"))

    assert code == 0, done
    assert {each["name"]: each["outcome"] for each in done["steps"]} == dict.fromkeys(
        (each["name"] for each in planned["steps"]), "done"
    ) | dict.fromkeys(("choose-set", "restore-database", "workers"), "unneeded")
    assert clients_dns.ask(NAME).names[-1:] == load_balancer(sandbox, WEST)
    assert predicted(sandbox, WEST, 3) == [True] * 3
    calls = [call for call in sandbox.calls(since) if "app/ml-dr" in call["agent"]]
    assert {call["region"] for call in calls} <= {WEST}
    operations = {f"{call['service']}:{call['operation']}" for call in calls}
    assert not operations & FORBIDDEN
    assert not [each for each in operations if each.startswith(CONTROL_PLANES)]

    assert active_backups(sandbox, WEST) == [each.title for each in WRITERS]
    assert found(sandbox, WEST) == RUNS[WEST]

    page = Path(done["report"])
    assert "us-east-1 is lost" in page.read_text(encoding="utf-8")
    code, report = dr(sandbox, "report", done["run"])
    assert (code, report["report"], report["result"]) == (0, str(page), "done")
    assert report["alarms"]
    assert {"dr", "tier", "model_set"} <= report["versions"].keys()
    code, runs = dr(sandbox, "incidents")
    assert (code, runs[0]["run"], runs[0]["open"]) == (0, done["run"], True)

    code, again = dr(sandbox, "failover", "--yes", "--reason", "once more")
    assert (code, "it is done" in again["problems"][0]["fact"]) == (3, True)

    # An update during the incident keeps what the failover started.
    with sandbox.time_passes():
        sandbox.engine.up("dr")
    assert predicted(sandbox, WEST, 3) == [True] * 3
    assert active_backups(sandbox, WEST) == [each.title for each in WRITERS]
    assert found(sandbox, WEST) == RUNS[WEST]

    # Both servers run until an update of the primary stack, or the failback.
    sandbox.repair()
    assert found(sandbox, EAST) == RUNS[EAST]
    sandbox.engine.up("primary")
    wait_for(lambda: found(sandbox, EAST) == STOPPED[EAST], "a stopped MLflow server")
    fail_back_without_a_change(sandbox, updated=STACKS)
    assert (len(active_backups(sandbox, EAST)), active_backups(sandbox, WEST)) == (len(WRITERS), [])
    assert (found(sandbox, EAST), found(sandbox, WEST)) == (RUNS[EAST], STOPPED[WEST])

    # The failback owns the Deployment's number of replicas now.
    sandbox.measure()
    sandbox.configure("dr", tier="warm")
    sandbox.engine.up("dr")
    assert predicted(sandbox, WEST, 3) == [True] * 3
    with sandbox.time_passes():
        sandbox.configure("dr", tier="pilot")
        sandbox.engine.up("dr")
