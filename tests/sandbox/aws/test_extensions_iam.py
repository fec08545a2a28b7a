from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.server import Running
from tests.support.buckets import PRIMARY

BACKUP = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"


@pytest.fixture
def iam(aws: Running) -> Any:
    client = aws.client("iam", PRIMARY)
    trust = {"Version": "2012-10-17", "Statement": []}
    client.create_role(RoleName="backup", AssumeRolePolicyDocument=json.dumps(trust))
    return client


def test_an_aws_managed_policy_is_attached_and_detached(iam: Any) -> None:
    iam.attach_role_policy(RoleName="backup", PolicyArn=BACKUP)
    (attached,) = iam.list_attached_role_policies(RoleName="backup")["AttachedPolicies"]
    assert attached == {"PolicyName": "AWSBackupServiceRolePolicyForBackup", "PolicyArn": BACKUP}

    iam.detach_role_policy(RoleName="backup", PolicyArn=BACKUP)
    assert iam.list_attached_role_policies(RoleName="backup")["AttachedPolicies"] == []


def test_an_aws_managed_policy_can_be_read(iam: Any) -> None:
    version = iam.get_policy(PolicyArn=BACKUP)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=BACKUP, VersionId=version)["PolicyVersion"]["Document"]

    assert "tag:GetResources" in json.dumps(document)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::aws:policy/NobodyKeepsThis",
        "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForBackup",  # its path is missing
        "arn:aws:iam::123456789012:policy/AdministratorAccess",
    ],
)
def test_an_unknown_managed_policy_is_not_attached(iam: Any, arn: str) -> None:
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.attach_role_policy(RoleName="backup", PolicyArn=arn)
