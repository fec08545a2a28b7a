"""The emulator answers as AWS documents where another emulator (ministack) differs, and where both agree."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.server import Running
from tests.sandbox.aws.second_opinion import EAST, OBSERVATIONS, WEST, Client, observed
from tests.support.waiting import wait_for

DOCUMENTED = {
    "replica_has_the_version_id_of_its_source": "True",
    "status_of_a_replicated_object": "COMPLETED",
    "status_of_a_replica": "REPLICA",
    "delete_marker_is_replicated_if_the_rule_says_so": "1",
    "delete_marker_is_replicated_although_the_rule_denies_it": "0",
    "deletion_of_a_version_is_replicated": "False",
    "object_encrypted_by_kms_is_replicated_without_a_rule_about_kms": "False",
    "replication_of_a_bucket_without_versioning": "InvalidRequest",
    "object_that_was_there_before_is_replicated": "False",
    "writer_after_a_switchover": f"['{WEST}']",
    "switchover_called_in_a_secondary_region": "InvalidGlobalClusterStateFault",
    "failover_without_a_choice_about_data_loss": "InvalidGlobalClusterStateFault",
    "deletion_of_a_global_database_with_members": "InvalidGlobalClusterStateFault",
    "secondary_cluster_with_a_master_user": "InvalidParameterCombination",
    "backup_of_a_volume_is_a_recovery_point_of_its_vault": "[('EBS', 'COMPLETED')]",
    "deletion_of_a_vault_with_recovery_points": "InvalidRequestException",
    "deletion_of_a_recovery_point_that_a_lock_keeps": "InvalidRequestException",
    "backup_below_the_shortest_retention_of_a_lock": "FAILED",
}
"""What AWS documents; docs/second-opinion.md has the source of each, and what is not documented in words."""
DIFFERS = frozenset(
    {
        "replica_has_the_version_id_of_its_source",
        "object_encrypted_by_kms_is_replicated_without_a_rule_about_kms",
        "switchover_called_in_a_secondary_region",
        "failover_without_a_choice_about_data_loss",
        "secondary_cluster_with_a_master_user",
        "backup_of_a_volume_is_a_recovery_point_of_its_vault",
        "deletion_of_a_vault_with_recovery_points",
        "deletion_of_a_recovery_point_that_a_lock_keeps",
        "backup_below_the_shortest_retention_of_a_lock",
    }
)
"""Observations that ministack 1.5.33 answers otherwise."""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Client]:
    """Start the other emulator."""
    program = shutil.which("ministack")
    if not program:
        pytest.skip("ministack is not on PATH; pip install ministack==1.5.33 in an environment of its own")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def make(service: str, region: str) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    def ready() -> bool:
        try:
            return bool(make("sts", EAST).get_caller_identity())
        except (BotoCoreError, ClientError):
            return False

    environment = {**os.environ, "GATEWAY_PORT": str(port), "MINISTACK_ACCOUNT_ID": "123456789012"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([program], env=environment, stdout=log, stderr=log)
        try:
            wait_for(ready)
            yield Client(make)
        finally:
            process.terminate()
            process.wait()


def test_every_observation_has_a_documented_answer() -> None:
    assert DOCUMENTED.keys() == OBSERVATIONS.keys()
    assert DOCUMENTED.keys() >= DIFFERS


def test_emulator_answers_as_aws_documents(aws: Running, control: Callable[..., Any]) -> None:
    ours = Client(aws.client, lambda: control("POST", "clock", {"advance": 700}))

    assert {name: observed(ours, name) for name in OBSERVATIONS} == DOCUMENTED


def test_other_emulator_differs_where_the_document_says(other: Client) -> None:
    found = {name: observed(other, name) for name in OBSERVATIONS}

    assert {name for name, value in found.items() if value != DOCUMENTED[name]} == DIFFERS, found
