import json
from typing import Any

from components.compute.runner import Runner, RunnerArgs, runner_role
from components.compute.runner_iam import NEVER, run_deployments
from components.iam import EncryptedBucket
from tests.support.mocks import Cloud, deploy

ACCOUNT, REGION = "123456789012", "us-west-2"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/one"
ROLES = [f"arn:aws:iam::{ACCOUNT}:role/cluster", f"arn:aws:iam::{ACCOUNT}:role/nodes"]


def runner(**changes: Any) -> Cloud:
    values = {
        "name": "ml-dr",
        "account": ACCOUNT,
        "region": REGION,
        "vpc_id": "vpc-1",
        "private_subnet_ids": ["subnet-a", "subnet-b"],
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/ml-dr/runner:1",
        "control": "control",
        "control_key_arn": KEY,
        "passed_roles": ROLES,
        "policies": ["arn:aws:iam::123456789012:policy/state"],
        "log_key_arn": KEY,
        **changes,
    }
    return deploy(lambda: Runner("runner", RunnerArgs(**values), runner_role("runner", ACCOUNT, REGION, "ml-dr", {})))


def policy() -> dict[str, dict[str, Any]]:
    text = run_deployments(REGION, ACCOUNT, "arn:logs", EncryptedBucket("control", REGION, KEY), ROLES)
    return {each["Sid"]: each for each in json.loads(text)["Statement"]}


def test_builds_run_in_the_private_subnets_with_the_image_of_the_region() -> None:
    project = runner().one("Project", "runner")

    assert project["vpcConfig"]["subnets"] == ["subnet-a", "subnet-b"]
    assert project["environment"]["image"].startswith("123456789012.dkr.ecr.us-west-2.")
    assert project["concurrentBuildLimit"] == 1
    assert json.loads(project["source"]["buildspec"])["phases"]["build"]["commands"][-1] == 'eval "$DR_COMMAND"'


def test_only_codebuild_for_this_project_may_assume_the_role() -> None:
    role = runner().one("Role", "runner-role")
    condition = json.loads(role["assumeRolePolicy"])["Statement"][0]["Condition"]

    assert role["name"] == "ml-dr-us-west-2-runner"
    assert condition == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnEquals": {"aws:SourceArn": f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/ml-dr-runner"},
    }


def test_role_gets_the_policies_that_the_user_names() -> None:
    attached = runner().one("RolePolicyAttachment", "runner-state")

    assert attached["policyArn"] == "arn:aws:iam::123456789012:policy/state"


def test_logs_are_encrypted_and_expire() -> None:
    logs = runner().one("LogGroup", "runner-logs")

    assert (logs["kmsKeyId"], logs["retentionInDays"], logs["name"]) == (KEY, 90, "/ml-dr-runner")


def test_runner_changes_only_its_region_and_no_iam() -> None:
    allowed = [each for each in policy().values() if each["Effect"] == "Allow"]
    actions = {
        action
        for each in allowed
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }

    assert policy()["Deploy"]["Condition"] == {"StringEquals": {"aws:RequestedRegion": REGION}}
    assert {action for action in actions if action.startswith("iam:")} == {"iam:Get*", "iam:List*", "iam:PassRole"}
    assert policy()["PassRoles"]["Resource"] == ROLES


def test_runner_cannot_destroy_data() -> None:
    denied = policy()["KeepData"]

    assert (denied["Effect"], denied["Action"]) == ("Deny", list(NEVER))
    assert {"s3:DeleteBucket", "kms:ScheduleKeyDeletion", "backup:DeleteRecoveryPoint"} <= set(NEVER)


def test_policy_fits_the_size_limit_of_a_role() -> None:
    text = run_deployments(REGION, ACCOUNT, "arn:logs", EncryptedBucket("control", REGION, KEY), ROLES * 6)

    assert len(text) < 10_240
