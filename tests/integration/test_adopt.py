"""Adoption of resources that a killed update created, found in AWS over real HTTP; a script stands for the engine."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dr.cli.main import app
from dr.errors import Failed, Invalid, Refused
from dr.operations import adopt
from dr.operations.pulumi_cli import PulumiStack
from sandbox.aws.faults import parse
from sandbox.server import Running

REGION = "us-west-2"
TAGS = {"project": "ml-dr", "workload": "ml-dr", "role": "recovery"}
PULUMI = """#!/bin/sh
test -f locked && { echo "error: the stack is currently locked by 1 lock(s)" >&2; exit 255; }
case "$2" in
  export) cat state.json ;;
  import) cat > state.json ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with the fake engine on PATH."""
    (tmp_path / "pulumi").write_text(PULUMI)
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "pulumi").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def operation(kind: str, name: str, doing: str = "creating", /, **inputs: Any) -> dict[str, Any]:
    """Return a pending operation."""
    tags = {"tags": {**TAGS, "resource": name}, "region": REGION}
    resource = {"urn": f"urn:pulumi:dr::dr::aws:{kind}::{name}", "type": f"aws:{kind}", "inputs": {**tags, **inputs}}
    return {"resource": resource, "type": doing}


def leave(project: Path, *operations: dict[str, Any], known: tuple[str, ...] = ()) -> None:
    """Write the state that a killed update leaves."""
    resources = [{"urn": f"urn:pulumi:dr::dr::aws:ec2/eip:Eip::known-{id}", "id": id} for id in known]
    deployment = {"resources": resources, "pending_operations": list(operations)}
    (project / "state.json").write_text(json.dumps({"version": 3, "deployment": deployment}))


def state(project: Path) -> dict[str, Any]:
    return dict(json.loads((project / "state.json").read_text())["deployment"])


def run(project: Path, apply: bool = True) -> list[adopt.Found]:
    return adopt.run(PulumiStack(project, "dr"), lambda text, share: None, apply)


def allocate(aws: Running, name: str) -> str:
    tags = [{"Key": key, "Value": value} for key, value in {**TAGS, "resource": name}.items()]
    specification = [{"ResourceType": "elastic-ip", "Tags": tags}]
    return str(aws.client("ec2", REGION).allocate_address(TagSpecifications=specification)["AllocationId"])


def test_created_resource_is_found_by_its_tags_and_written_to_the_state(aws: Running, project: Path) -> None:
    id, _ = allocate(aws, "nat-a"), allocate(aws, "nat-b")
    leave(project, operation("ec2/eip:Eip", "nat-a"))
    (found,) = run(project)

    assert (found.id, found.outcome) == (id, f"was created: {id}")
    (made,) = state(project)["resources"]
    assert (made["id"], made["refreshBeforeUpdate"]) == (id, True)
    assert "pending_operations" not in state(project)


def test_pending_creation_without_a_resource_is_removed_from_the_state(aws: Running, project: Path) -> None:
    leave(project, operation("ec2/eip:Eip", "nat-a"))
    (found,) = run(project)

    assert (found.id, found.outcome) == (None, "was not created")
    assert state(project) == {"resources": []}


def test_resource_already_in_the_state_is_not_adopted(aws: Running, project: Path) -> None:
    leave(project, operation("ec2/eip:Eip", "nat-a"), known=(allocate(aws, "nat-a"),))

    assert run(project)[0].outcome == "was not created"


def test_deleted_nat_gateway_is_not_adopted(aws: Running, project: Path) -> None:
    ec2 = aws.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    tags = [{"Key": key, "Value": value} for key, value in {**TAGS, "resource": "nat"}.items()]
    ids = [
        ec2.create_nat_gateway(
            SubnetId=subnet,
            AllocationId=ec2.allocate_address()["AllocationId"],
            TagSpecifications=[{"ResourceType": "natgateway", "Tags": tags}],
        )["NatGateway"]["NatGatewayId"]
        for _ in range(2)
    ]
    ec2.delete_nat_gateway(NatGatewayId=ids[0])
    leave(project, operation("ec2/natGateway:NatGateway", "nat"))

    assert run(project)[0].id == ids[1]


def test_two_candidates_are_reported_and_the_state_is_not_written(aws: Running, project: Path) -> None:
    ids = [allocate(aws, "nat-a"), allocate(aws, "nat-a")]
    leave(project, operation("ec2/eip:Eip", "nat-a"))
    with pytest.raises(Failed) as caught:
        run(project)

    assert "2 resources have its tags and are not in the state" in str(caught.value)
    assert all(id in str(caught.value) for id in ids)
    assert state(project)["pending_operations"]


def test_backup_selection_is_found_in_its_plan(aws: Running, project: Path) -> None:
    backup, iam = aws.client("backup", REGION), aws.client("iam", REGION)
    trust = {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="backup", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    backup.create_backup_vault(BackupVaultName="vault")
    rules = [{"RuleName": "daily", "TargetBackupVaultName": "vault"}]
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "plan", "Rules": rules})["BackupPlanId"]
    selection = {"SelectionName": "tagged", "IamRoleArn": role, "Resources": ["*"]}
    id = backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)["SelectionId"]
    leave(project, operation("backup/selection:Selection", "backup-selection", planId=plan, name="tagged"))

    assert run(project)[0].id == id


def test_cluster_is_adopted_by_its_name_without_a_look_up(aws: Running, project: Path) -> None:
    leave(project, operation("eks/cluster:Cluster", "cluster", name="ml-dr"))

    assert run(project)[0].id == "ml-dr"


def test_all_resources_that_cannot_be_looked_up_are_reported_and_the_state_is_not_written(
    aws: Running, project: Path
) -> None:
    untagged = operation("ec2/eip:Eip", "nat-a", tags={})
    leave(project, untagged, operation("dynamodb/table:Table", "table"), operation("eks/cluster:Cluster", "cluster"))
    with pytest.raises(Failed) as caught:
        run(project)

    assert len(caught.value.problems) == 3
    assert 'it has no tag "resource"' in str(caught.value)
    assert "resources of this type are not looked up" in str(caught.value)
    assert "its inputs do not contain its id" in str(caught.value)
    assert len(state(project)["pending_operations"]) == 3


def test_unreachable_region_leaves_the_state_unchanged(aws: Running, project: Path) -> None:
    aws.emulator.faults.add(parse({"kind": "region", "region": REGION, "unreachable": True}))
    leave(project, operation("ec2/eip:Eip", "nat-a"))
    with pytest.raises(Failed, match="us-west-2 does not answer"):
        run(project)
    assert state(project)["pending_operations"]


@pytest.mark.usefixtures("aws")
def test_pending_updates_and_harmless_creations_are_not_looked_up(project: Path) -> None:
    operations = (
        operation("eks/nodeGroup:NodeGroup", "gpu", "updating"),
        operation("cloudwatch/metricAlarm:MetricAlarm", "a"),
    )
    leave(project, *operations)

    assert [each.outcome for each in run(project)] == [
        "the next update reads it again",
        "the next update creates it again, which does no harm",
    ]


def test_only_pending_creations_that_are_not_harmless_are_refused(project: Path) -> None:
    leave(
        project, operation("cloudwatch/metricAlarm:MetricAlarm", "alarm"), operation("ec2/eip:Eip", "nat-a", "updating")
    )
    adopt.refuse_unfinished(PulumiStack(project, "dr"))
    leave(project, operation("ec2/eip:Eip", "nat-a"), operation("eks/cluster:Cluster", "cluster"))
    with pytest.raises(Refused) as caught:
        adopt.refuse_unfinished(PulumiStack(project, "dr"))

    assert "the last update was interrupted while it created nat-a, cluster" in str(caught.value)
    assert "`dr adopt -s dr --yes`" in str(caught.value)


def test_locked_stack_is_reported_with_the_command_that_unlocks_it(project: Path) -> None:
    (project / "locked").touch()
    with pytest.raises(Failed, match=r"currently locked by 1 lock\(s\)\n    -> if no other update of the stack runs"):
        run(project)


def test_missing_engine_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid, match="pulumi: is not on PATH"):
        run(tmp_path)


# The command -----------------------------------------------------------------------------------------------------


def command(project: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["adopt", "--project", str(project), *options])


def test_command_shows_what_it_found_and_writes_only_with_yes(aws: Running, project: Path) -> None:
    id = allocate(aws, "nat-a")
    leave(project, operation("ec2/eip:Eip", "nat-a"))
    shown = command(project)
    assert shown.exit_code == 0
    assert f"was created: {id}" in shown.output
    assert "`dr adopt -s dr --yes`" in shown.output
    assert state(project)["pending_operations"]

    written = json.loads(command(project, "--yes", "--json").output)
    assert (written["written"], written["found"][0]["id"]) == (True, id)
    assert command(project).output == "Stack dr has no pending operations.\n"


def test_command_prints_errors_as_json_with_the_json_option(project: Path) -> None:
    (project / "locked").touch()
    said = command(project, "--json")

    assert said.exit_code == 1
    assert json.loads(said.output)["error"] == "failed"


def test_lookup_without_the_global_control_planes_ends_with_what_it_could_not_read(aws: Running, project: Path) -> None:
    leave(
        project, operation("ec2/eip:Eip", "nat-a"), operation("route53/healthCheck:HealthCheck", "check", region=None)
    )
    before = state(project)
    aws.emulator.faults.add(parse({"kind": "region", "region": "us-east-1", "unreachable": True, "with_global": True}))
    with pytest.raises(Failed) as caught:
        run(project)

    (problem,) = caught.value.problems
    assert problem.subject.endswith("route53/healthCheck:HealthCheck::check")
    assert "us-east-1 does not answer" in problem.fact
    assert state(project) == before
