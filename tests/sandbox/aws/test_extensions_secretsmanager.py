"""Versions of secrets of the emulator: they are never changed, and a label is on one of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running

EAST, WEST = "us-east-1", "us-west-2"
NAME = {"SecretId": "login"}


class Secret:
    """A secret with a replica, and a pending version."""

    def __init__(self, aws: Running) -> None:
        self.east, self.west = aws.client("secretsmanager", EAST), aws.client("secretsmanager", WEST)
        self.old = self.east.create_secret(Name="login", SecretString="old", AddReplicaRegions=[{"Region": WEST}])[
            "VersionId"
        ]
        self.new = str(uuid4())
        self.put("new")

    def put(self, text: str) -> None:
        self.east.put_secret_value(**NAME, SecretString=text, ClientRequestToken=self.new, VersionStages=["AWSPENDING"])

    def move(self, label: str, **versions: str) -> None:
        self.east.update_secret_version_stage(**NAME, VersionStage=label, **versions)

    def labels(self, client: Any) -> dict[str, set[str]]:
        listed = client.list_secret_version_ids(**NAME)["Versions"]
        return {each["VersionId"]: set(each["VersionStages"]) for each in listed}


@pytest.fixture
def secret(aws: Running) -> Secret:
    return Secret(aws)


def test_a_version_takes_the_same_value_again_and_no_other(secret: Secret) -> None:
    secret.put("new")
    with pytest.raises(ClientError, match="ResourceExistsException"):
        secret.put("other")

    assert secret.east.get_secret_value(**NAME, VersionId=secret.new)["SecretString"] == "new"


def test_value_without_a_version_is_that_of_the_label_awscurrent_in_both_regions(secret: Secret) -> None:
    assert secret.east.get_secret_value(**NAME)["SecretString"] == "old"
    secret.move("AWSCURRENT", MoveToVersionId=secret.new, RemoveFromVersionId=secret.old)

    assert [each.get_secret_value(**NAME)["SecretString"] for each in (secret.east, secret.west)] == ["new", "new"]
    expected = {secret.old: {"AWSPREVIOUS"}, secret.new: {"AWSPENDING", "AWSCURRENT"}}
    assert (secret.labels(secret.east), secret.labels(secret.west)) == (expected, expected)


@pytest.mark.parametrize("label", ["AWSCURRENT", "mine"])
def test_a_label_moves_only_from_the_version_that_is_named(secret: Secret, label: str) -> None:
    if label == "mine":
        secret.move(label, MoveToVersionId=secret.old)
    with pytest.raises(ClientError, match="RemoveFromVersionId"):
        secret.move(label, MoveToVersionId=secret.new)
    secret.move(label, MoveToVersionId=secret.new, RemoveFromVersionId=secret.old)

    assert [name for name, labels in secret.labels(secret.east).items() if label in labels] == [secret.new]


def test_versions_have_the_time_of_their_creation_and_are_listed_while_they_have_a_label(secret: Secret) -> None:
    for each in secret.east.list_secret_version_ids(**NAME)["Versions"]:
        assert abs(datetime.now(UTC) - each["CreatedDate"]) < timedelta(hours=1)
    secret.move("AWSPENDING", RemoveFromVersionId=secret.new)

    assert secret.labels(secret.east) == {secret.old: {"AWSCURRENT"}}
    every = secret.east.list_secret_version_ids(**NAME, IncludeDeprecated=True)["Versions"]
    assert len(every) == 2


def test_a_secret_that_does_not_exist_is_not_found(aws: Running) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client("secretsmanager", EAST).list_secret_version_ids(**NAME)
