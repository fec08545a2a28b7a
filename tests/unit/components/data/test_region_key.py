import json

from components.data.region_key import RegionKey, RegionKeyArgs
from tests.support.mocks import Cloud, deploy


def key(**changes: object) -> Cloud:
    values = {"alias": "ml-dr-region", "account": "123456789012", "region": "us-west-2", **changes}
    return deploy(lambda: RegionKey("region", RegionKeyArgs(**values)))  # type: ignore[arg-type]


def test_the_key_is_in_its_region_and_rotated() -> None:
    made = key().one("Key", "region")

    assert (made["region"], made["enableKeyRotation"], made["deletionWindowInDays"]) == ("us-west-2", True, 30)


def test_only_the_account_its_alarms_and_event_rules_and_its_logs_may_use_the_key() -> None:
    account, alarms, events, logs = json.loads(key().one("Key", "region")["policy"])["Statement"]

    assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    assert (events["Principal"], events["Action"]) == ({"Service": "events.amazonaws.com"}, alarms["Action"])
    assert "Condition" not in events  # EventBridge passes none to the key of a topic
    assert logs["Principal"] == {"Service": "logs.us-west-2.amazonaws.com"}
    groups = "arn:aws:logs:us-west-2:123456789012:log-group:*"
    assert logs["Condition"] == {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}}


def test_the_key_is_protected_from_deletion_only_if_protect_is_set() -> None:
    assert all(each.protect and each.retain_on_delete for each in key().resources)
    assert not any(each.protect or each.retain_on_delete for each in key(protect=False).resources)
