"""IAM policy documents. Pure: ARNs in, JSON out, no resources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dr.names import BACKFILL_REPORTS

BACKUP_POLICIES = {
    "backup": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
    "restore": "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
    "s3-backup": "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Backup",
    "s3-restore": "arn:aws:iam::aws:policy/AWSBackupServiceRolePolicyForS3Restore",
}
"""AWS managed policies for backup and restore jobs of AWS Backup; the first two do not cover S3.

They are broad because the selection is by tag, and AWS extends them with each resource type that AWS Backup supports.
Restore policies are attached in advance, because no role is changed during a disaster.
"""

RESTORE_POLICIES = {name: arn for name, arn in BACKUP_POLICIES.items() if name.endswith("restore")}
"""Those of them for restore jobs."""


@dataclass(frozen=True)
class EncryptedBucket:
    """A bucket, as used in a policy.

    Args:
        name: The bucket's name.
        region: The bucket's region.
        key_arn: ARN of the KMS key that encrypts its objects.
    """

    name: str
    region: str
    key_arn: str

    @property
    def arn(self) -> str:
        """The bucket's ARN."""
        return f"arn:aws:s3:::{self.name}"


def document(statements: Sequence[dict[str, Any]]) -> str:
    """Return a policy document with these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


WITHOUT_SOURCE = {
    "ec2.amazonaws.com": "an instance profile; EC2 passes no source",
    "lambda.amazonaws.com": "not documented for execution roles; a role is passed within its account only",
    "s3.amazonaws.com": "not documented for replication roles",
    "batchoperations.s3.amazonaws.com": "not documented for jobs of S3 Batch Replication",
    "backup.amazonaws.com": "not documented for the roles of backup selections",
    "export.rds.amazonaws.com": "not documented for exports of snapshots",
}
"""Services that are not documented to pass aws:SourceAccount or aws:SourceArn when they assume a role, with the reason.

A condition on a key that a service does not pass would keep it from assuming the role.
"""


def trust_service(service: str, account: str | None = None, source: str | None = None) -> str:
    """Return a trust policy: only this AWS service may assume the role.

    Args:
        service: Service principal: "lambda.amazonaws.com".
        account: Account ID for which the service must act, against the confused deputy problem; None for a service of
            `WITHOUT_SOURCE`.
        source: ARN of the resource for which the service must act; None for any resource of the account.
    """
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if account:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    if source:
        statement["Condition"] |= {"ArnEquals": {"aws:SourceArn": source}}
    return document([statement])


def tls_only(bucket: str) -> str:
    """Return a bucket policy that denies every request without TLS.

    The wildcards are in a Deny statement: every principal, every action, every object.
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
    """Return the policy that S3 needs to replicate each of two buckets to the other.

    Sources of the actions: S3 user guide, "Setting up permissions for live replication", and for KMS "Replicating
    encrypted objects".

    Args:
        one: One bucket.
        other: The bucket in the other region.
        locked: Whether Object Lock is enabled; replication then also reads retention and legal holds.
    """
    lock_actions = ["s3:GetObjectRetention", "s3:GetObjectLegalHold"] if locked else []
    buckets = [one, other]
    # All objects of these two buckets: replication supports no narrower resource.
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


def fill_replicas(sources: Sequence[str], reports: Sequence[EncryptedBucket]) -> str:
    """Return the policy of jobs of S3 Batch Replication with generated manifests that are not stored.

    Source: S3 user guide, "Configuring an IAM role for S3 Batch Replication"; its statements about a manifest bucket
    are for stored manifests. A report in a bucket with a KMS key needs kms:GenerateDataKey ("Specifying server-side
    encryption with AWS KMS").

    Args:
        sources: Names of the buckets that are replicated from.
        reports: Buckets of completion reports.
    """
    arns = [f"arn:aws:s3:::{name}" for name in sources]
    return document(
        [
            {
                "Sid": "Replicate",
                "Effect": "Allow",
                "Action": "s3:InitiateReplication",
                # All objects of these buckets: a job finds by itself which of them to replicate.
                "Resource": [f"{arn}/*" for arn in arns],
            },
            {
                "Sid": "GenerateManifest",
                "Effect": "Allow",
                "Action": ["s3:GetReplicationConfiguration", "s3:PutInventoryConfiguration"],
                "Resource": arns,
            },
            {
                "Sid": "WriteReports",
                "Effect": "Allow",
                "Action": "s3:PutObject",
                # S3 names the objects of a report by the job's ID.
                "Resource": [f"{bucket.arn}/{BACKFILL_REPORTS}*" for bucket in reports],
            },
            *(use_key(bucket, "Encrypt", ["kms:GenerateDataKey"]) for bucket in reports),
        ]
    )


def export_snapshots(buckets: Sequence[EncryptedBucket], prefix: str) -> str:
    """Return the policy of exports of RDS snapshots to a prefix of these buckets.

    Source: Aurora user guide, "Exporting DB cluster snapshot data to Amazon S3", "Providing access to an Amazon S3
    bucket using an IAM role". The task names the KMS key, and RDS uses it by a grant.
    """
    return document(
        [
            {
                "Sid": "FindBucket",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                "Resource": [bucket.arn for bucket in buckets],
            },
            {
                "Sid": "WriteExports",
                "Effect": "Allow",
                # The forms with a wildcard, as the guide has them, include tags, retention and access control lists.
                "Action": ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"],
                # RDS names the objects of an export by the task.
                "Resource": [f"{bucket.arn}/{prefix}*" for bucket in buckets],
            },
        ]
    )


def keep_recovery_points(admins: Sequence[str]) -> str:
    """Return a vault's access policy: only admins may delete recovery points, shorten retention, or change the policy.

    Without an admin, no principal may delete recovery points or shorten retention. The policy can then be changed: if
    it denied that too, no principal of the account could change it again.

    The wildcards are in a Deny statement: every other principal, every recovery point. AWS Config's rule
    backup-recovery-point-manual-deletion-disabled requires this form, with PutBackupVaultAccessPolicy.
    """
    kept = ["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"]
    with_admins = [
        "backup:PutBackupVaultAccessPolicy",
        "backup:DeleteBackupVaultAccessPolicy",
        "backup:DeleteBackupVaultLockConfiguration",
    ]
    return document(
        [
            {
                "Sid": "KeepRecoveryPoints",
                "Effect": "Deny",
                "Principal": "*",
                "Action": [*kept, *(with_admins if admins else ())],
                "Resource": "*",
                **({"Condition": {"ArnNotLike": {"aws:PrincipalArn": sorted(admins)}}} if admins else {}),
            }
        ]
    )


def publish_alarms(topic_arn: str, account: str, events: bool = False) -> str:
    """Return a topic policy: CloudWatch may publish this account's alarms; publishing without TLS is denied.

    Args:
        topic_arn: ARN of the topic.
        account: The AWS account's twelve digits.
        events: Whether rules of EventBridge may publish too. Without a condition, as in the statement that EventBridge
            documents for topics (user guide, "Amazon SNS permissions"): a refused message would be lost.
    """
    of_events = {
        "Sid": "Events",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic_arn,
    }
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
            *([of_events] if events else []),
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
    """Return a statement: write to one existing log group."""
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    # All streams of this group, because each process creates its own.
    return {"Sid": "Log", "Effect": "Allow", "Action": actions, "Resource": f"{group_arn}:*"}


def invoke_function(arn: str) -> dict[str, Any]:
    """Return a statement: invoke one function."""
    return {"Sid": "Invoke", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}


def write_object(bucket: EncryptedBucket, key: str) -> list[dict[str, Any]]:
    """Return statements: write one object."""
    put = {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{bucket.arn}/{key}"}
    return [put, use_key(bucket, "Encrypt", ["kms:GenerateDataKey"])]


def read_documents(bucket: EncryptedBucket, *keys: str) -> list[dict[str, Any]]:
    """Return statements: read these objects. Without ListBucket, S3 reports a missing object as access denied."""
    objects = [f"{bucket.arn}/{key}" for key in keys]
    return [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": objects},
        {"Sid": "DetectMissing", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket.arn},
        use_key(bucket, "Decrypt", ["kms:Decrypt"]),
    ]


def publish_metrics(namespace: str) -> dict[str, Any]:
    """Return a statement: publish metrics of one namespace; PutMetricData is limited only by the condition."""
    only = {"StringEquals": {"cloudwatch:namespace": namespace}}
    action = "cloudwatch:PutMetricData"
    return {"Sid": "Publish", "Effect": "Allow", "Action": action, "Resource": "*", "Condition": only}


AUTO_SCALING_ROLE = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
"""Path and name of the service-linked role of Auto Scaling, by which it launches instances."""


def key_of_data(account: str) -> str:
    """Return a key policy: IAM policies of the account control the key; Auto Scaling may encrypt volumes with it.

    Without the statements for its service-linked role, Auto Scaling cannot launch an instance with a volume under a
    customer managed key (Auto Scaling user guide, "Required AWS KMS key policy for use with encrypted volumes"). The
    principal is a condition, because KMS refuses a policy that names a role that does not exist, and AWS creates this
    one with the first Auto Scaling group. In a key policy, `*` is the key itself.

    Args:
        account: The AWS account's twelve digits.
    """
    only = {"aws:PrincipalArn": f"arn:aws:iam::{account}:role/{AUTO_SCALING_ROLE}", "kms:CallerAccount": account}
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
                "Sid": "WorkerVolumes",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {"StringEquals": only},
            },
            {
                "Sid": "WorkerGrants",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": {"StringEquals": only, "Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
        ]
    )


def validate_restores(
    region: str, account: str, replicas: Sequence[EncryptedBucket], sources: Sequence[str]
) -> list[dict[str, Any]]:
    """Return statements: compare what restore tests have restored, and report the results.

    Restore jobs, and the description of volumes, have no ARN that a policy could name (Service Authorization Reference,
    "AWS Backup" and "Amazon EC2"). AWS Backup names what it restores (developer guide, "Restore testing inferred
    metadata").

    Args:
        region: The region of the tests.
        account: The AWS account's twelve digits.
        replicas: Buckets of that region that restored objects are compared with.
        sources: Names of the buckets that were backed up: of keys that only one side has, they decide.
    """
    tested = "arn:aws:s3:::awsbackup-restore-test-*"
    listed = [tested, *(each.arn for each in replicas), *(f"arn:aws:s3:::{name}" for name in sources)]
    points = [f"arn:aws:backup:{region}:{account}:recovery-point:*", f"arn:aws:ec2:{region}::snapshot/*"]
    points.append(f"arn:aws:rds:{region}:{account}:cluster-snapshot:awsbackup:*")
    clusters = f"arn:aws:rds:{region}:{account}:cluster:awsbackup-restore-test-*"
    jobs = ["backup:DescribeRestoreJob", "backup:PutRestoreValidationResult", "ec2:DescribeVolumes"]
    objects = [f"{tested}/*", *(f"{each.arn}/*" for each in replicas)]
    keys = [{**use_key(each, "Decrypt", ["kms:Decrypt"]), "Sid": f"Decrypt{n}"} for n, each in enumerate(replicas)]
    return [
        {"Sid": "Jobs", "Effect": "Allow", "Action": jobs, "Resource": "*"},
        {"Sid": "Points", "Effect": "Allow", "Action": "backup:DescribeRecoveryPoint", "Resource": points},
        {"Sid": "Clusters", "Effect": "Allow", "Action": "rds:DescribeDBClusters", "Resource": clusters},
        {"Sid": "Versions", "Effect": "Allow", "Action": "s3:ListBucketVersions", "Resource": listed},
        {"Sid": "Objects", "Effect": "Allow", "Action": "s3:GetObjectVersion", "Resource": objects},
        *keys,
    ]


def publish_to(topic_arn: str, key_arn: str, region: str) -> list[dict[str, Any]]:
    """Return statements: publish to an encrypted topic (SNS developer guide, "Key management").

    Args:
        topic_arn: ARN of the topic.
        key_arn: ARN of its KMS key.
        region: Its region.
    """
    actions = ["kms:Decrypt", "kms:GenerateDataKey"]
    via = {"StringEquals": {"kms:ViaService": f"sns.{region}.amazonaws.com"}}
    return [
        {"Sid": "Publish", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic_arn},
        {"Sid": "TopicKey", "Effect": "Allow", "Action": actions, "Resource": key_arn, "Condition": via},
    ]


def key_of_region(account: str, region: str) -> str:
    """Return a key policy: IAM policies of the account control the key; alarms and logs of the account may use it.

    In a key policy, `*` is the key itself. The first statement is KMS's default: without it, the policy could never be
    changed. Sources of the services' actions: CloudWatch user guide, "Permissions for Amazon SNS"; CloudWatch Logs user
    guide, "Encrypt log data in CloudWatch Logs using AWS Key Management Service".

    Args:
        account: The AWS account's twelve digits.
        region: The key's region.
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
            {
                # EventBridge does not support conditions on aws:SourceAccount and aws:SourceArn in the policy of a
                # topic's key (SNS developer guide, "Key management").
                "Sid": "EventMessages",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{region}.amazonaws.com"},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                "Resource": "*",
                # All log groups of the account in this region: EKS, Lambda and flow logs each have their own.
                "Condition": {
                    "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:log-group:*"}
                },
            },
        ]
    )


def use_key(bucket: EncryptedBucket, purpose: str, actions: list[str]) -> dict[str, Any]:
    """Return a statement: use a bucket's key for objects of that bucket, through S3 in its region.

    The encryption context is the object's ARN, or with a bucket key the bucket's (S3 user guide, "Reducing the cost of
    SSE-KMS with Amazon S3 Bucket Keys"). Both are allowed: an existing bucket may have no bucket key, and a request may
    override the bucket's setting.
    """
    return {
        "Sid": f"{purpose}In{bucket.region.replace('-', '')}",
        "Effect": "Allow",
        "Action": actions,
        "Resource": bucket.key_arn,
        "Condition": {
            "StringEquals": {"kms:ViaService": f"s3.{bucket.region}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket.arn, f"{bucket.arn}/*"]},
        },
    }
