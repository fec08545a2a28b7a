"""Versions of a secret: which one is current, which one follows, and whether a rotation is not complete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dr.data.secret_versions import current_of, following_id, replication_of, unfinished
from dr.errors import Failed

CREATED = datetime(2026, 11, 29, 12, tzinfo=UTC)


def version(name: str, *labels: str) -> dict[str, Any]:
    return {"VersionId": name, "VersionStages": list(labels), "CreatedDate": CREATED}


def test_the_current_version_is_the_one_with_the_label() -> None:
    found = [version("old", "AWSPREVIOUS", "dr-first"), version("new", "AWSPENDING", "AWSCURRENT")]

    assert current_of(found, "the secret") == ("new", CREATED)


def test_a_secret_without_a_current_version_fails() -> None:
    with pytest.raises(Failed, match="no version has the label AWSCURRENT"):
        current_of([version("new", "AWSPENDING")], "the secret")


def test_the_following_version_is_the_same_for_each_process_and_one_that_secrets_manager_accepts() -> None:
    first = following_id("one")

    assert first == following_id("one")
    assert first != following_id("two")
    assert 32 <= len(first) <= 64


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([version("old", "AWSCURRENT")], False),
        ([version("old", "AWSCURRENT"), version("new", "AWSPENDING")], True),
        # Secrets Manager leaves the label where a rotation ended.
        ([version("old", "AWSPREVIOUS"), version("new", "AWSPENDING", "AWSCURRENT")], False),
    ],
)
def test_a_rotation_is_unfinished_while_the_pending_version_is_not_the_current_one(
    versions: list[dict[str, Any]], expected: bool
) -> None:
    assert unfinished(versions) is expected


def test_a_secret_without_a_replica_in_the_region_has_no_status() -> None:
    described = {"ReplicationStatus": [{"Region": "us-west-2", "Status": "InSync"}]}

    assert replication_of(described, "us-west-2") == "InSync"
    assert (replication_of(described, "eu-west-1"), replication_of({}, "us-west-2")) == ("", "")
