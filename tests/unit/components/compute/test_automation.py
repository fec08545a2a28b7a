"""Automation's project, source and policies."""

from __future__ import annotations

import json
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pulumi

from components.compute.automation import Automation, AutomationArgs, automation_role, source_archive
from components.compute.automation_iam import Place, run_failovers, start_builds
from components.iam import EncryptedBucket
from dr.config.project import load_settings
from dr.control.contract import DatabaseRecord
from dr.operations.readiness_access import actions
from dr.topology.topology import Role
from tests.support.builders import DATABASE, settings
from tests.support.mocks import Cloud, deploy

ACCOUNT, REGION = "123456789012", "us-west-2"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/one"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/ml-dr/runner:1"
PLACE = Place(REGION, ACCOUNT, "ml-dr", "ml-dr", "ml-dr-recovery")
REPLICA = DatabaseRecord.of(
    {**DATABASE, "cluster": "ml-dr-recovery", "arn": f"arn:aws:rds:{REGION}:{ACCOUNT}:cluster:ml-dr-recovery"}
)
NOT_OF_A_FAILOVER = {"rds:SwitchoverGlobalCluster", "rds:DeleteDBInstance"}
CONFIG = {
    **settings(Role.RECOVERY, automation="automatic", runner="true", runnerImage=IMAGE),
    "other:secret": "not ours",
}
DATA = {"models": "the-models", "registry": "the-registry"}


def automation(**changes: Any) -> Cloud:
    values = {
        "name": "ml-dr",
        "place": PLACE,
        "stack": "dr",
        "config": CONFIG,
        "vpc_id": "vpc-1",
        "private_subnet_ids": ["subnet-a", "subnet-b"],
        "security_group_id": "sg-runner",
        "image": IMAGE,
        "fleets": [],
        "control": "the-control",
        "data": DATA,
        "data_key_arn": KEY,
        "log_key_arn": KEY,
        **changes,
    }

    def build() -> None:
        Automation("automation", AutomationArgs(**values), automation_role("automation", ACCOUNT, REGION, "ml-dr", {}))

    return deploy(build)


def bucket(name: str) -> EncryptedBucket:
    return EncryptedBucket(name, REGION, KEY)


def statements(image: str = IMAGE, place: Place = PLACE) -> dict[str, dict[str, Any]]:
    data = {pair: bucket(name) for pair, name in DATA.items()}
    text = run_failovers(place, "arn:logs", bucket("the-control"), data, image)
    assert len(text) < 10_240, "the size limit of a role's policies"
    found = json.loads(text)["Statement"]
    by_name = {each["Sid"]: each for each in found}
    assert len(by_name) == len(found)
    return by_name


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allows(action: str, resource: str) -> bool:
    return any(
        action in listed(each["Action"]) and any(fnmatchcase(resource, one) for one in listed(each["Resource"]))
        for each in statements().values()
    )


# The project -----------------------------------------------------------------------------------------------------


def test_build_runs_the_deployed_program_in_the_network_of_the_runner() -> None:
    project = automation().one("Project", "automation")

    assert (project["source"]["type"], project["source"]["location"]) == ("S3", "the-control/automation/source.zip")
    (variable,) = project["environment"]["environmentVariables"]
    assert (variable["name"], variable["value"]) == ("DR_COMMAND", "dr automate --yes --stack dr")
    assert (project["environment"]["image"], project["vpcConfig"]["securityGroupIds"]) == (IMAGE, ["sg-runner"])
    assert project["name"] == "ml-dr-automation", "a project of its own, so that no build waits for an operator's"
    assert project["concurrentBuildLimit"] == 1


def test_automation_may_change_the_sizes_of_the_worker_fleets_only_where_there_are_some() -> None:
    group = "arn:aws:autoscaling:us-west-2:123456789012:autoScalingGroup:*:autoScalingGroupName/ml-dr-workers-batch"

    def statements(*fleets: str) -> list[dict[str, Any]]:
        policy = automation(fleets=fleets).one("RolePolicy", "automation-policy")["policy"]
        return [each for each in json.loads(policy)["Statement"] if each["Sid"] == "ResizeWorkers"]

    assert statements() == []
    (statement,) = statements("ml-dr-workers-batch")
    assert (statement["Action"], statement["Resource"]) == ("autoscaling:UpdateAutoScalingGroup", [group])


def test_source_is_in_the_control_bucket_of_the_region_before_the_project_is() -> None:
    cloud = automation()
    source = cloud.one("BucketObjectv2", "automation-source")

    assert (source["bucket"], source["key"], source["region"]) == ("the-control", "automation/source.zip", REGION)
    assert "automation-source" in cloud.of("Project")["automation"].dependencies


def test_only_codebuild_for_this_project_may_assume_the_role() -> None:
    role = automation().one("Role", "automation-role")
    condition = json.loads(role["assumeRolePolicy"])["Statement"][0]["Condition"]

    assert role["name"] == "ml-dr-us-west-2-automation"
    assert condition["ArnEquals"] == {"aws:SourceArn": f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/ml-dr-automation"}


# The source ------------------------------------------------------------------------------------------------------


def unpacked(folder: Path) -> None:
    """Write the files of the archive to a folder."""
    for file, asset in source_archive(CONFIG, "dr").assets.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(asset, pulumi.FileAsset):
            path.write_bytes(Path(str(asset.path)).read_bytes())
        else:
            assert isinstance(asset, pulumi.StringAsset)
            path.write_text(asset.text)


def test_source_has_the_deployed_configuration_and_the_program(tmp_path: Path) -> None:
    unpacked(tmp_path)

    read = load_settings(tmp_path, "dr")
    assert (read.role, read.automation, read.runner_image) == (Role.RECOVERY, "automatic", IMAGE)
    assert "not ours" not in (tmp_path / "Pulumi.dr.yaml").read_text()
    command = [sys.executable, "-m", "dr", "automate", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {each.name for each in tmp_path.iterdir()} - {"__pycache__"} == {
        *("Pulumi.yaml", "Pulumi.dr.yaml", "pyproject.toml", "dr"),
    }


# The policies ----------------------------------------------------------------------------------------------------


def test_role_allows_what_dr_check_simulates_for_an_operation() -> None:
    wanted = actions(REGION, ACCOUNT, "the-control", "ml-dr", REPLICA)
    lacking = [(each, resource) for resource in wanted for each in wanted[resource] if not allows(each, resource)]

    assert {each for each, _ in lacking} == NOT_OF_A_FAILOVER


def test_role_has_nothing_of_rds_without_a_database() -> None:
    granted = {
        action
        for each in statements(place=Place(REGION, ACCOUNT, "ml-dr")).values()
        for action in listed(each["Action"])
    }

    assert not [each for each in granted if each.startswith("rds:")]


def test_role_deploys_nothing_and_changes_no_global_service() -> None:
    granted = {action for each in statements().values() for action in listed(each["Action"])}

    assert not any("*" in action for action in granted)
    writes = {each for each in granted if each.partition(":")[2].startswith(("Put", "Update", "Create", "Delete"))}
    assert writes == {
        *("s3:PutObject", "eks:UpdateNodegroupConfig", "cloudwatch:PutMetricData", "logs:PutLogEvents"),
        *("logs:CreateLogStream", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
        *("ec2:CreateNetworkInterfacePermission", "rds:CreateDBInstance"),
    }
    assert not {each for each in granted if each.startswith(("iam:", "route53:", "sts:"))}


def test_role_writes_only_the_incident_state_and_the_journal() -> None:
    assert statements()["WriteControl"]["Resource"] == [
        *("arn:aws:s3:::the-control/control/state.json", "arn:aws:s3:::the-control/journal/*"),
    ]


def test_role_pulls_only_the_image_of_the_runner() -> None:
    assert statements()["PullImage"]["Resource"] == f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/ml-dr/runner"
    assert "PullImage" not in statements("public.example.com/runner:1")


def test_function_starts_builds_of_one_project_only() -> None:
    found = {each["Sid"]: each for each in start_builds(PLACE, "ml-dr-automation", bucket("the-control"))}

    assert found["Start"]["Resource"] == f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/ml-dr-automation"
    assert found["Read"]["Resource"] == [
        *("arn:aws:s3:::the-control/control/state.json", "arn:aws:s3:::the-control/journal/*"),
    ]
    assert found["Alarms"]["Condition"] == {"StringEquals": {"aws:RequestedRegion": REGION}}
    assert not any("PutObject" in str(each["Action"]) for each in found.values())
