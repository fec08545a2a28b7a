"""AWS Backup: restore testing plans and their selections. `sandbox/aws/behaviours/restore_tests.py` runs them.

Sources: the API reference in botocore's service model; developer guide, "Restore testing"; the supported types are
those of RestoreTestingSelectionForCreate. Messages are not documented.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from moto.backup.models import backup_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours import restore_tests
from sandbox.aws.behaviours.restore_tests import Plan
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.backup import SCHEDULE, wrong
from sandbox.aws.extensions.iam import role_trusts

NAME = re.compile(r"[a-zA-Z0-9_]{1,50}")
TYPES = ("Aurora", "DocumentDB", "DynamoDB", "EBS", "EC2", "EFS", "FSx", "Neptune", "RDS", "S3")


def _plans(call: Call) -> dict[str, Plan]:
    return restore_tests.plans(call.region)


def _plan(call: Call) -> Plan:
    name = call.parameters["RestoreTestingPlanName"]
    if name not in _plans(call):
        raise AwsError("ResourceNotFoundException", f"Restore testing plan {name} not found")
    return _plans(call)[name]


def _answer(plan: Plan, *more: str) -> dict[str, Any]:
    about = plan["about"]
    return {name: about[name] for name in ("CreationTime", "RestoreTestingPlanArn", "RestoreTestingPlanName", *more)}


@answers("backup", "CreateRestoreTestingPlan")
def create_plan(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters["RestoreTestingPlan"]
    name = wanted["RestoreTestingPlanName"]
    if not NAME.fullmatch(name):
        raise wrong(f"Invalid restore testing plan name {name}: 1 to 50 letters, digits and _")
    if name in _plans(call):
        raise AwsError("AlreadyExistsException", f"Restore testing plan {name} already exists")
    _refuse(wanted)
    arn = f"arn:aws:backup:{call.region}:{ACCOUNT}:restore-testing-plan:{name}-{uuid4()}"
    about = {
        **{"ScheduleExpressionTimezone": "Etc/UTC", "StartWindowHours": 24},
        **wanted,
        **{"CreationTime": clock.now(), "RestoreTestingPlanArn": arn},
    }
    points = {"SelectionWindowDays": 30, "ExcludeVaults": []} | wanted["RecoveryPointSelection"]
    about["RecoveryPointSelection"] = points
    _plans(call)[name] = {"about": about, "selections": {}}
    backup_backends[ACCOUNT][call.region].tagger.tag_resource(arn, _pairs(call.parameters.get("Tags") or {}))
    return _answer(_plans(call)[name])


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _refuse(wanted: dict[str, Any]) -> None:
    if not SCHEDULE.fullmatch(wanted.get("ScheduleExpression", "cron(0 5 ? * * *)")):
        raise wrong(f"Invalid schedule expression {wanted['ScheduleExpression']}")
    points = wanted.get("RecoveryPointSelection") or {}
    if not 1 <= points.get("SelectionWindowDays", 30) <= 365:
        raise wrong(f"SelectionWindowDays {points['SelectionWindowDays']} must be from 1 to 365")


@answers("backup", "GetRestoreTestingPlan")
def get_plan(call: Call, moto: Moto) -> dict[str, Any]:
    return {"RestoreTestingPlan": _plan(call)["about"]}


@answers("backup", "ListRestoreTestingPlans")
def list_plans(call: Call, moto: Moto) -> dict[str, Any]:
    return {"RestoreTestingPlans": [each["about"] for each in _plans(call).values()]}


@answers("backup", "UpdateRestoreTestingPlan")
def update_plan(call: Call, moto: Moto) -> dict[str, Any]:
    plan, wanted = _plan(call), call.parameters["RestoreTestingPlan"]
    _refuse(wanted)
    points = plan["about"]["RecoveryPointSelection"] | wanted.get("RecoveryPointSelection", {})
    plan["about"] |= {**wanted, "RecoveryPointSelection": points, "UpdateTime": clock.now()}
    return _answer(plan, "UpdateTime")


@answers("backup", "DeleteRestoreTestingPlan")
def delete_plan(call: Call, moto: Moto) -> dict[str, Any]:
    plan, name = _plan(call), call.parameters["RestoreTestingPlanName"]
    if plan["selections"]:
        raise AwsError("InvalidRequestException", f"Restore testing plan {name} has selections; delete them first")
    del _plans(call)[name]
    return {}


@answers("backup", "CreateRestoreTestingSelection")
def create_selection(call: Call, moto: Moto) -> dict[str, Any]:
    plan, wanted = _plan(call), call.parameters["RestoreTestingSelection"]
    name, kind = wanted["RestoreTestingSelectionName"], wanted["ProtectedResourceType"]
    if not NAME.fullmatch(name):
        raise wrong(f"Invalid restore testing selection name {name}: 1 to 50 letters, digits and _")
    if kind not in TYPES:
        raise wrong(f"Restore testing does not support the resource type {kind}")
    if ("ProtectedResourceArns" in wanted) is ("ProtectedResourceConditions" in wanted):
        raise wrong("One of ProtectedResourceArns and ProtectedResourceConditions is required")
    if not role_trusts(wanted["IamRoleArn"], "backup.amazonaws.com"):
        raise wrong(f"IAM Role {wanted['IamRoleArn']} cannot be assumed by AWS Backup")
    about = {
        **{"ValidationWindowHours": 0, "RestoreMetadataOverrides": {}},
        **wanted,
        **{"CreationTime": clock.now(), "RestoreTestingPlanName": plan["about"]["RestoreTestingPlanName"]},
    }
    plan["selections"][name] = about
    return _answer(plan) | {"RestoreTestingSelectionName": name}


def _selection(call: Call) -> dict[str, Any]:
    name = call.parameters["RestoreTestingSelectionName"]
    selections: dict[str, dict[str, Any]] = _plan(call)["selections"]
    if name not in selections:
        raise AwsError("ResourceNotFoundException", f"Restore testing selection {name} not found")
    return selections[name]


@answers("backup", "GetRestoreTestingSelection")
def get_selection(call: Call, moto: Moto) -> dict[str, Any]:
    return {"RestoreTestingSelection": _selection(call)}


@answers("backup", "ListRestoreTestingSelections")
def list_selections(call: Call, moto: Moto) -> dict[str, Any]:
    return {"RestoreTestingSelections": list(_plan(call)["selections"].values())}


@answers("backup", "UpdateRestoreTestingSelection")
def update_selection(call: Call, moto: Moto) -> dict[str, Any]:
    found = _selection(call)
    found |= {**call.parameters["RestoreTestingSelection"], "UpdateTime": clock.now()}
    more = {"RestoreTestingSelectionName": found["RestoreTestingSelectionName"], "UpdateTime": found["UpdateTime"]}
    return _answer(_plan(call)) | more


@answers("backup", "DeleteRestoreTestingSelection")
def delete_selection(call: Call, moto: Moto) -> dict[str, Any]:
    del _plan(call)["selections"][_selection(call)["RestoreTestingSelectionName"]]
    return {}
