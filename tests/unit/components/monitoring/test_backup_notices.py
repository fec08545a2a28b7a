import json

import pytest
from moto.events.models import EventPattern

from components.monitoring.backup_notices import PATTERN, TEMPLATE, BackupNotices, BackupNoticesArgs
from tests.support.mocks import Cloud, deploy

LETTERS = "arn:aws:sqs:us-west-2:123456789012:ml-dr-dead-letters"
TOPIC = "arn:aws:sns:us-west-2:123456789012:ml-dr-alerts"


def notices() -> Cloud:
    args = BackupNoticesArgs("ml-dr-backup-jobs", "us-west-2", TOPIC, LETTERS, {"owner": "ml"})
    return deploy(lambda: BackupNotices("backup-jobs", args))


def test_rule_sends_a_line_of_text_to_the_topic_of_its_region() -> None:
    cloud = notices()
    rule, target = cloud.one("EventRule", "backup-jobs-rule"), cloud.one("EventTarget", "backup-jobs-target")

    assert (rule["name"], rule["region"], rule["tags"]) == ("ml-dr-backup-jobs", "us-west-2", {"owner": "ml"})
    assert (target["arn"], target["targetId"], target["region"]) == (TOPIC, "alerts", "us-west-2")
    assert target["inputTransformer"]["inputTemplate"] == TEMPLATE
    assert set(target["inputTransformer"]["inputPaths"]) == {
        *("kind", "region", "time", "state", "status", "resource", "type", "reason")
    }


@pytest.mark.parametrize(
    ("kind", "detail", "reported"),
    [
        ("Backup Job State Change", {"state": "FAILED"}, True),
        ("Backup Job State Change", {"state": "EXPIRED"}, True),
        ("Copy Job State Change", {"state": "FAILED"}, True),
        ("Restore Job State Change", {"status": "ABORTED"}, True),
        ("Backup Job State Change", {"state": "COMPLETED"}, False),
        ("Restore Job State Change", {"status": "COMPLETED"}, False),
        ("Backup Vault State Change", {"state": "FAILED"}, False),
    ],
)
def test_rule_matches_jobs_that_failed_or_expired(kind: str, detail: dict[str, str], reported: bool) -> None:
    event = {"source": "aws.backup", "detail-type": kind, "detail": detail}

    assert EventPattern.load(json.dumps(PATTERN)).matches_event(event) is reported  # type: ignore[arg-type]
