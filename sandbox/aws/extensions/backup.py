"""AWS Backup: selections, new versions of a plan, checks of plans, and settings of a region.

Source: the API reference in botocore's service model; error messages from public reports where they are known.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from moto.backup.models import Plan, backup_backends

from sandbox.aws import clock
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import backups
from sandbox.aws.behaviours.recovery_points import AURORA
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import role_trusts

NAME = re.compile(r"[a-zA-Z0-9_.-]{1,50}")
SCHEDULE = re.compile(r"cron\(\S+( \S+){5}\)")
LEAST_COLD_DAYS = 90
"""Minimum days in cold storage (AWS Backup API reference, Lifecycle)."""
LONGEST_DAYS = 36_500
LEAST_START_WINDOW = 60
MOST_WILDCARDS = 30
"""ARNs with wildcards in a selection (AWS Backup API reference, BackupSelection)."""


# Plans -----------------------------------------------------------------------------------------------------------


@answers("backup", "CreateBackupPlan")
def create_plan(call: Call, moto: Moto) -> Answer:
    _refuse_document(call.parameters["BackupPlan"])
    return moto()


@answers("backup", "UpdateBackupPlan")
def update_plan(call: Call, moto: Moto) -> dict[str, Any]:
    """Replace the whole document by a new version; a rule that keeps its name keeps its id."""
    plan, document = _plan(call), call.parameters["BackupPlan"]
    _refuse_document(document)
    ids = {rule["RuleName"]: rule["RuleId"] for rule in plan.backup_plan["Rules"]}
    # moto's constructor fills in what a rule leaves out.
    fresh = Plan(document, plan.creator_request_id, backup_backends[ACCOUNT][call.region])
    for rule in document["Rules"]:
        rule["RuleId"] = ids.get(rule["RuleName"], rule["RuleId"])
    for name in ("backup_plan", "version_id", "creation_date", "advanced_backup_settings"):
        setattr(plan, name, getattr(fresh, name))
    return plan.to_dict()


@answers("backup", "DeleteBackupPlan")
def delete_plan(call: Call, moto: Moto) -> Answer:
    plan = _plan(call)
    if _selections(plan):
        message = "Related backup plan selections must be deleted prior to backup plan deletion"
        raise AwsError("InvalidRequestException", message)
    answer = moto()
    # moto would refuse the name for ever.
    del backup_backends[ACCOUNT][call.region].plans[plan.backup_plan_id]
    return answer


def _plan(call: Call) -> Plan:
    plan = backup_backends[ACCOUNT][call.region].plans.get(call.parameters["BackupPlanId"])
    if plan is None:
        raise AwsError("ResourceNotFoundException", "Failed reading Backup plan with provided version")
    return plan


def _refuse_document(document: dict[str, Any]) -> None:
    if not NAME.fullmatch(document["BackupPlanName"]):
        raise wrong(f"Invalid backup plan name {document['BackupPlanName']}: 1 to 50 alphanumeric or '-_.' characters")
    for rule in document["Rules"]:
        for problem in _rule_problems(rule):
            raise wrong(f"Error in rule {rule['RuleName']} : {problem}")


def _rule_problems(rule: dict[str, Any]) -> Iterator[str]:
    if not SCHEDULE.fullmatch(rule.get("ScheduleExpression", "cron(0 5 ? * * *)")):
        yield f"Invalid schedule expression {rule['ScheduleExpression']}"
    if rule.get("StartWindowMinutes", LEAST_START_WINDOW) < LEAST_START_WINDOW:
        yield f"Invalid start window. StartWindowMinutes cannot be less than {LEAST_START_WINDOW}"
    for kept in (rule, *rule.get("CopyActions", ())):
        days = kept.get("Lifecycle", {}).get("DeleteAfterDays")
        cold = kept.get("Lifecycle", {}).get("MoveToColdStorageAfterDays")
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            yield f"Invalid lifecycle. DeleteAfterDays cannot be less than 1 or more than {LONGEST_DAYS} days"
        if days is not None and cold is not None and days < cold + LEAST_COLD_DAYS:
            least = f"{LEAST_COLD_DAYS} days apart from MoveToColdStorageAfterDays"
            yield f"Invalid lifecycle. DeleteAfterDays cannot be less than {least}"


def wrong(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)


# Selections ------------------------------------------------------------------------------------------------------


@answers("backup", "CreateBackupSelection")
def create_selection(call: Call, moto: Moto) -> dict[str, Any]:
    selections, wanted = _selections_of(call), call.parameters["BackupSelection"]
    if not NAME.fullmatch(wanted["SelectionName"]):
        raise wrong(f"Invalid selection name {wanted['SelectionName']}: 1 to 50 alphanumeric or '-_.' characters")
    if len([arn for arn in wanted.get("Resources") or () if "*" in arn]) > MOST_WILDCARDS:
        raise wrong(f"Too many resources with wildcards: at most {MOST_WILDCARDS} ARNs with wildcards")
    if not role_trusts(wanted["IamRoleArn"], "backup.amazonaws.com"):
        raise wrong(f"IAM Role {wanted['IamRoleArn']} cannot be assumed by AWS Backup")
    made = {
        "SelectionId": str(uuid4()),
        "BackupPlanId": call.parameters["BackupPlanId"],
        "CreationDate": datetime.datetime.now(datetime.UTC),
    }
    selections[made["SelectionId"]] = made | {"BackupSelection": wanted}
    if token := call.parameters.get("CreatorRequestId"):
        selections[made["SelectionId"]]["CreatorRequestId"] = token
    return made


@answers("backup", "GetBackupSelection")
def get_selection(call: Call, moto: Moto) -> dict[str, Any]:
    return _selection(call)


@answers("backup", "ListBackupSelections")
def list_selections(call: Call, moto: Moto) -> dict[str, Any]:
    listed = [
        {name: value for name, value in {**found, **found["BackupSelection"]}.items() if name in LISTED}
        for found in _selections(_plan(call)).values()
    ]
    return {"BackupSelectionsList": listed}


LISTED = ("SelectionId", "SelectionName", "BackupPlanId", "CreationDate", "CreatorRequestId", "IamRoleArn")


@answers("backup", "DeleteBackupSelection")
def delete_selection(call: Call, moto: Moto) -> dict[str, Any]:
    del _selections_of(call)[_selection(call)["SelectionId"]]
    return {}


def _selections(plan: Plan) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = vars(plan).setdefault("selections", {})
    return found


def _selections_of(call: Call) -> dict[str, dict[str, Any]]:
    try:
        return _selections(_plan(call))
    except AwsError as error:
        raise wrong(f"Cannot find Backup plan with ID {call.parameters['BackupPlanId']}") from error


def _selection(call: Call) -> dict[str, Any]:
    selections = _selections_of(call)
    if call.parameters["SelectionId"] not in selections:
        raise AwsError("ResourceNotFoundException", f"Cannot find selection with ID {call.parameters['SelectionId']}")
    return selections[call.parameters["SelectionId"]]


# Jobs ------------------------------------------------------------------------------------------------------------


@answers("backup", "StartBackupJob")
def start_job(call: Call, moto: Moto) -> dict[str, Any]:
    """Run a job on demand, which is over when the call answers."""
    wanted, arn = call.parameters, call.parameters["ResourceArn"]
    if not role_trusts(wanted["IamRoleArn"], "backup.amazonaws.com"):
        raise wrong(f"IAM Role {wanted['IamRoleArn']} cannot be assumed by AWS Backup")
    resource = next((each for each in backups.resources(call.region) if each.arn == arn), None)
    if resource is None:
        raise AwsError("ResourceNotFoundException", f"Cannot find resource {arn}")
    if resource.type == AURORA and not backups.opt_in(call.region)[AURORA]:
        # "If you try to create an on-demand backup ... using resources from a service that is not enabled, you receive
        # an error message" (developer guide, "How AWS Backup works with supported AWS services").
        raise AwsError("InvalidRequestException", f"Resource type {AURORA} is not enabled in {call.region}")
    job = backups.start(
        call.world,
        call.region,
        wanted["BackupVaultName"],
        resource,
        wanted["IamRoleArn"],
        wanted.get("Lifecycle"),
        clock.now(),
    )
    shown = ("BackupJobId", "RecoveryPointArn", "CreationDate")
    return {name: value for name, value in job.items() if name in shown}


@answers("backup", "DescribeBackupJob")
def describe_job(call: Call, moto: Moto) -> dict[str, Any]:
    job = backups.jobs(call.region).get(call.parameters["BackupJobId"])
    if job is None:
        raise AwsError("ResourceNotFoundException", f"Cannot find job {call.parameters['BackupJobId']}")
    return job


@answers("backup", "ListBackupJobs")
def list_jobs(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters.get("ByState")
    return {"BackupJobs": [each for each in backups.jobs(call.region).values() if wanted in (None, each["State"])]}


# Settings of a region --------------------------------------------------------------------------------------------


@answers("backup", "DescribeRegionSettings")
def describe_settings(call: Call, moto: Moto) -> dict[str, Any]:
    return {"ResourceTypeOptInPreference": dict(backups.opt_in(call.region)), "ResourceTypeManagementPreference": {}}


@answers("backup", "UpdateRegionSettings")
def update_settings(call: Call, moto: Moto) -> dict[str, Any]:
    backups.opt_in(call.region).update(call.parameters.get("ResourceTypeOptInPreference") or {})
    return {}
