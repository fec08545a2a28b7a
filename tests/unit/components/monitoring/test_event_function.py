"""A function that EventBridge invokes: its pattern, its permission, and where events go that it cannot process."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from components.iam import EncryptedBucket, publish_to, validate_restores
from components.monitoring.event_function import RESTORE_TESTS, EventFunction, EventFunctionArgs
from tests.support.mocks import Cloud, deploy

REGION, ACCOUNT = "us-west-2", "123456789012"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:ml-dr-alerts"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:ml-dr-dead-letters"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
REPLICA = EncryptedBucket("ml-dr-us-west-2-models", REGION, KEY)
STATEMENTS = [
    *validate_restores(REGION, ACCOUNT, [REPLICA], ["ml-dr-us-east-1-models"]),
    *publish_to(TOPIC, KEY, REGION),
]


def function() -> Cloud:
    args = EventFunctionArgs(
        function="restore_validation",
        name="ml-dr-restore-validation",
        account=ACCOUNT,
        log_key_arn=KEY,
        dead_letters_arn=QUEUE,
        region=REGION,
        variables={"TOPIC_ARN": TOPIC},
        statements=STATEMENTS,
        pattern=RESTORE_TESTS,
        purpose="Restore tests",
        tags={"owner": "ml"},
    )
    return deploy(lambda: EventFunction("validation", args))


def test_rule_invokes_the_function_and_eventbridge_may() -> None:
    cloud = function()
    rule, permission = cloud.one("EventRule", "validation-rule"), cloud.one("Permission", "validation-permission")

    assert json.loads(rule["eventPattern"]) == RESTORE_TESTS
    assert (permission["principal"], permission["action"]) == ("events.amazonaws.com", "lambda:InvokeFunction")
    assert cloud.one("EventTarget", "validation-target")["targetId"] == "function"


def test_event_that_it_cannot_process_is_kept_and_its_role_may_send_it() -> None:
    cloud = function()
    kept = cloud.one("FunctionEventInvokeConfig", "validation-events")
    statements = json.loads(cloud.one("RolePolicy", "validation-policy")["policy"])["Statement"]

    assert kept["destinationConfig"]["onFailure"]["destination"] == QUEUE
    attempts = kept["maximumRetryAttempts"] + 1
    assert attempts * cloud.one("Function", "validation")["timeout"] + 180 <= kept["maximumEventAgeInSeconds"]
    assert [each["Resource"] for each in statements if each["Action"] == "sqs:SendMessage"] == [QUEUE]


def test_role_writes_to_nothing_but_its_log_its_topic_and_the_result() -> None:
    allowed = {action for each in STATEMENTS for action in _listed(each["Action"])}

    assert {
        each for each in allowed if not each.partition(":")[2].startswith(("Describe", "Get", "List", "Decrypt"))
    } == {*("backup:PutRestoreValidationResult", "sns:Publish", "kms:GenerateDataKey")}
    assert not [each for each in allowed if "*" in each]
    (objects,) = [each for each in STATEMENTS if each["Sid"] == "Objects"]
    assert objects["Resource"] == ["arn:aws:s3:::awsbackup-restore-test-*/*", f"{REPLICA.arn}/*"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("status", "plan", "matches"),
    [("COMPLETED", "arn:plan", True), ("FAILED", "arn:plan", False), ("COMPLETED", None, False)],
)
def test_pattern_matches_completed_restore_tests_only(status: str, plan: str | None, matches: bool) -> None:
    detail = {"status": status, **({"restoreTestingPlanArn": plan} if plan else {})}
    event = {"source": "aws.backup", "detail-type": "Restore Job State Change", "detail": detail}

    assert EventPattern.load(json.dumps(RESTORE_TESTS)).matches_event(event) is matches  # type: ignore[arg-type]
