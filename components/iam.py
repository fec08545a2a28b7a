"""IAM documents. Pure: ARNs in, JSON out, no resources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BACKUP_POLICIES = {
    "backup": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
    "restore": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
    "s3-backup": "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Backup",
    "s3-restore": "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore",
}
"""What AWS Backup needs to back up and restore, S3 apart, which the first two leave out.

AWS's own policies, and wide: what a tag will select is not known beforehand, and AWS extends them with each type of
resource it learns to back up. Both halves, because no role is made on the day of a restore.
"""


@dataclass(frozen=True)
class EncryptedBucket:
    """A bucket as a policy sees it.

    Args:
        name: The bucket's name.
        region: Its region.
        key_arn: ARN of the KMS key its objects are encrypted with.
    """

    name: str
    region: str
    key_arn: str

    @property
    def arn(self) -> str:
        """The bucket's ARN."""
        return f"arn:aws:s3:::{self.name}"


def document(statements: Sequence[dict[str, Any]]) -> str:
    """A policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust_service(service: str, account: str | None = None) -> str:
    """A trust policy: this AWS service, and nobody else, may assume the role.

    Args:
        service: "lambda.amazonaws.com".
        account: For a service that acts for whoever asks: only for this account.
    """
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if account:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return document([statement])


def tls_only(bucket: str) -> str:
    """A bucket policy that denies every request without TLS.

    The wildcards deny, they do not allow: everybody, every action, every object.
    """
    arn = f"arn:aws:s3:::{bucket}"
    return document(
        [
            {
                "Sid": "DenyWithoutTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    )


def replicate_both_ways(one: EncryptedBucket, other: EncryptedBucket, locked: bool) -> str:
    """What S3 needs to replicate each of two buckets to the other, and nothing else.

    The actions are those of the S3 user guide, "Setting up permissions for live replication", and for KMS
    "Replicating encrypted objects": with bucket keys the encryption context is the bucket's ARN.

    Args:
        one: A bucket.
        other: The bucket in the other region.
        locked: Whether Object Lock is on: retention and legal holds are then read, too.
    """
    lock_actions = ["s3:GetObjectRetention", "s3:GetObjectLegalHold"] if locked else []
    buckets = [one, other]
    # Every object of just these two buckets: the only wildcard, and replication knows no narrower one.
    objects = [f"{bucket.arn}/*" for bucket in buckets]
    return document(
        [
            {
                "Sid": "ReadConfiguration",
                "Effect": "Allow",
                "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"],
                "Resource": [bucket.arn for bucket in buckets],
            },
            {
                "Sid": "ReadVersions",
                "Effect": "Allow",
                "Action": [
                    "s3:GetObjectVersionForReplication",
                    "s3:GetObjectVersionAcl",
                    "s3:GetObjectVersionTagging",
                    *lock_actions,
                ],
                "Resource": objects,
            },
            {
                "Sid": "WriteReplicas",
                "Effect": "Allow",
                "Action": ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"],
                "Resource": objects,
            },
            *(use_key(bucket, "Decrypt", ["kms:Decrypt"]) for bucket in buckets),
            *(use_key(bucket, "Encrypt", ["kms:Encrypt", "kms:GenerateDataKey"]) for bucket in buckets),
        ]
    )


def keep_recovery_points(admins: Sequence[str]) -> str:
    """A vault's access policy: nobody but these may delete recovery points, shorten their retention, or lift this.

    The wildcards deny, they do not allow: everybody else, every recovery point. AWS Config's rule
    backup-recovery-point-manual-deletion-disabled asks for just this form.
    """
    return document(
        [
            {
                "Sid": "KeepRecoveryPoints",
                "Effect": "Deny",
                "Principal": "*",
                "Action": [
                    "backup:DeleteRecoveryPoint",
                    "backup:UpdateRecoveryPointLifecycle",
                    "backup:PutBackupVaultAccessPolicy",
                    "backup:DeleteBackupVaultAccessPolicy",
                ],
                "Resource": "*",
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": sorted(admins)}},
            }
        ]
    )


def publish_alarms(topic_arn: str, account: str) -> str:
    """A topic's policy: CloudWatch may publish alarms of this account, and nobody may do anything without TLS."""
    return document(
        [
            {
                "Sid": "Alarms",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            },
            {
                "Sid": "DenyWithoutTls",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    )


def write_logs(group_arn: str) -> dict[str, Any]:
    """A statement: write to one log group that is there."""
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    # Every stream of just this group: each process has one of its own.
    return {"Sid": "Log", "Effect": "Allow", "Action": actions, "Resource": f"{group_arn}:*"}


def invoke_function(arn: str) -> str:
    """Start one function."""
    return document([{"Sid": "Start", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}])


def write_object(bucket: EncryptedBucket, key: str) -> str:
    """Write one object."""
    put = {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{bucket.arn}/{key}"}
    return document([put, use_key(bucket, "Encrypt", ["kms:GenerateDataKey"])])


def read_document(bucket: EncryptedBucket, key: str) -> list[dict[str, Any]]:
    """Statements: read one object, and be told when it is not there: without ListBucket S3 says access denied."""
    return [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket.arn}/{key}"},
        {"Sid": "Missing", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket.arn},
        use_key(bucket, "Decrypt", ["kms:Decrypt"]),
    ]


def publish_metrics(namespace: str) -> dict[str, Any]:
    """A statement: publish metrics of one namespace. PutMetricData knows no narrower resource; the condition does."""
    only = {"StringEquals": {"cloudwatch:namespace": namespace}}
    action = "cloudwatch:PutMetricData"
    return {"Sid": "Publish", "Effect": "Allow", "Action": action, "Resource": "*", "Condition": only}


def key_for_alarms(account: str) -> str:
    """A key policy: the account decides by IAM who uses the key, and CloudWatch may, for messages to encrypted topics.

    In a key policy `*` is the key itself. The first statement is KMS's default one: without it nobody could change the
    policy any more. CloudWatch's actions are those of the CloudWatch user guide, "Permissions for Amazon SNS".
    """
    return document(
        [
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "AlarmMessages",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            },
        ]
    )


def use_key(bucket: EncryptedBucket, purpose: str, actions: list[str]) -> dict[str, Any]:
    """A statement: use a bucket's key, for objects of just that bucket, through S3 of its region."""
    return {
        "Sid": f"{purpose}In{bucket.region.replace('-', '')}",
        "Effect": "Allow",
        "Action": actions,
        "Resource": bucket.key_arn,
        "Condition": {
            "StringEquals": {
                "kms:ViaService": f"s3.{bucket.region}.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": bucket.arn,
            }
        },
    }
