"""AWS Backup: restore testing plans and their selections.

After internal/service/backup/restore_testing_{plan,selection}.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType

NAME, NAMED = r"[a-zA-Z0-9_]{1,50}", "1 to 50 letters, digits and _"


def _plan(plan: Resource) -> dict[str, Any]:
    document: dict[str, Any] = plan.arguments("create_restore_testing_plan", "RestoreTestingPlan")["RestoreTestingPlan"]
    return document


def _create_plan(plan: Resource) -> None:
    plan.tagged = True
    plan.send("create_restore_testing_plan", RestoreTestingPlan=_plan(plan), Tags=plan.wanted["tagsAll"])
    plan.id = plan.wanted["name"]


def _read_plan(plan: Resource) -> dict[str, Any]:
    return dict(plan.send("get_restore_testing_plan", RestoreTestingPlanName=plan.id)["RestoreTestingPlan"])


def _update_plan(plan: Resource) -> None:
    document = {name: value for name, value in _plan(plan).items() if name != "RestoreTestingPlanName"}
    plan.send("update_restore_testing_plan", RestoreTestingPlanName=plan.id, RestoreTestingPlan=document)


PLAN = ResourceType(
    token="aws:backup/restoreTestingPlan:RestoreTestingPlan",
    service="backup",
    shape="RestoreTestingPlanForCreate",
    properties="""name=RestoreTestingPlanName! scheduleExpression! scheduleExpressionTimezone startWindowHours
                  recoveryPointSelection!{algorithm! includeVaults:set! excludeVaults:set recoveryPointTypes:set!
                      selectionWindowDays}""",
    outputs="arn=RestoreTestingPlanArn:string",
    identity="{RestoreTestingPlanName}",
    auto_name=AutoName("name", 255),
    computed=frozenset(
        {
            *("scheduleExpressionTimezone", "startWindowHours"),
            *("recoveryPointSelection.selectionWindowDays", "recoveryPointSelection.excludeVaults"),
        }
    ),
    replace_on=frozenset({"name"}),
    checks=(matches("name", NAME, NAMED), between("startWindowHours", 0, 168)),
    create=_create_plan,
    read=_read_plan,
    update=(("scheduleExpression scheduleExpressionTimezone startWindowHours recoveryPointSelection", _update_plan),),
    delete=Call("delete_restore_testing_plan"),
    tags=tagged(
        "ResourceArn", "arn", operations=("list_tags", "tag_resource", "untag_resource"), names="TagKeyList", pair=None
    ),
)


def _selection(selection: Resource) -> dict[str, Any]:
    document: dict[str, Any] = selection.arguments("create_restore_testing_selection", "RestoreTestingSelection")[
        "RestoreTestingSelection"
    ]
    return document


def _create_selection(selection: Resource) -> None:
    plan = selection.wanted["restoreTestingPlanName"]
    selection.send(
        "create_restore_testing_selection", RestoreTestingPlanName=plan, RestoreTestingSelection=_selection(selection)
    )
    selection.id = f"{selection.wanted['name']}:{plan}"


def _named(selection: Resource) -> dict[str, str]:
    name, plan = selection.id.split(":")
    return {"RestoreTestingSelectionName": name, "RestoreTestingPlanName": plan}


def _read_selection(selection: Resource) -> dict[str, Any]:
    found = selection.send("get_restore_testing_selection", **_named(selection))
    return dict(found["RestoreTestingSelection"])


def _update_selection(selection: Resource) -> None:
    names = ("IamRoleArn", "ProtectedResourceConditions", "RestoreMetadataOverrides", "ValidationWindowHours")
    document = {name: value for name, value in _selection(selection).items() if name in names}
    selection.send("update_restore_testing_selection", **_named(selection), RestoreTestingSelection=document)


SELECTION = ResourceType(
    token="aws:backup/restoreTestingSelection:RestoreTestingSelection",
    service="backup",
    shape="RestoreTestingSelectionForCreate",
    properties="""name=RestoreTestingSelectionName! restoreTestingPlanName=RestoreTestingPlanName:string!
                  protectedResourceType! iamRoleArn! protectedResourceArns:set restoreMetadataOverrides
                  validationWindowHours""",
    identity="{RestoreTestingSelectionName}:{RestoreTestingPlanName}",
    auto_name=AutoName("name", 255),
    computed=frozenset({"protectedResourceArns", "restoreMetadataOverrides", "validationWindowHours"}),
    replace_on=frozenset({"name", "protectedResourceType", "restoreTestingPlanName"}),
    checks=(matches("name", NAME, NAMED), between("validationWindowHours", 1, 168)),
    create=_create_selection,
    read=_read_selection,
    update=(("iamRoleArn restoreMetadataOverrides validationWindowHours", _update_selection),),
    delete=lambda selection: selection.send("delete_restore_testing_selection", **_named(selection)),
    retries=("cannot be assumed", "is not authorized to call"),
)

TYPES = (PLAN, SELECTION)
