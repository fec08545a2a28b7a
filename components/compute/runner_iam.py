"""IAM policies of the runner. Pure: names and ARNs in, JSON out.

The runner changes what exists: it scales, updates and replaces resources of a deployed stack. It creates and changes no
IAM role or policy, so it cannot give itself more rights; roles exist in every tier, and are deployed from outside.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.iam import EncryptedBucket, document, use_key, write_logs
from dr.operations.runner import SOURCE_PREFIX

REGIONAL = ("acm", "application-autoscaling", "autoscaling", "backup", "cloudwatch", "ec2", "ecr", "eks")
REGIONAL_MORE = ("elasticloadbalancing", "kms", "lambda", "logs", "s3", "scheduler", "servicequotas", "sns", "tag")
GLOBAL_READS = ("iam:Get*", "iam:List*", "route53:Get*", "route53:List*")
RECORDS = ("route53:ChangeResourceRecordSets", "route53:UpdateHealthCheck")
NEVER = (
    *("s3:DeleteBucket", "s3:DeleteObjectVersion", "s3:PutBucketPolicy", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"),
    *("kms:CreateGrant", "kms:DisableKey", "backup:DeleteBackupVault", "backup:DeleteRecoveryPoint"),
)
"""Calls that destroy data, or open it to others. A change of a tier makes none of them."""


def run_deployments(
    region: str, account: str, log_group_arn: str, control: EncryptedBucket, passed_roles: Sequence[str]
) -> str:
    """Return a policy: deploy changes of the stack of this region.

    Args:
        region: The region.
        account: The AWS account's twelve digits.
        log_group_arn: ARN of the log group of builds.
        control: The region's control bucket, which holds the source of builds.
        passed_roles: ARNs of the roles that a deployment passes to EKS and EC2.
    """
    network = f"arn:aws:ec2:{region}:{account}:network-interface/*"
    return document(
        [
            write_logs(log_group_arn),
            {
                "Sid": "ReadSource",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:GetObjectVersion"],
                "Resource": f"{control.arn}/{SOURCE_PREFIX}*",
            },
            use_key(control, "DecryptSource", ["kms:Decrypt"]),
            {
                # All calls of these services, in this region: which calls a deployment makes changes with each version
                # of the AWS plugin, and a missing one would show on the day of a failover.
                "Sid": "Deploy",
                "Effect": "Allow",
                "Action": [f"{service}:*" for service in (*REGIONAL, *REGIONAL_MORE)],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
            },
            # Reads of global services; most of them support no narrower resource.
            {"Sid": "ReadGlobal", "Effect": "Allow", "Action": list(GLOBAL_READS), "Resource": "*"},
            {
                "Sid": "ChangeRecords",
                "Effect": "Allow",
                "Action": list(RECORDS),
                # Zone and checks of the account: their IDs are created by the other stack, or later.
                "Resource": ["arn:aws:route53:::hostedzone/*", "arn:aws:route53:::healthcheck/*"],
            },
            {
                "Sid": "PassRoles",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": list(passed_roles),
                "Condition": {
                    "StringEquals": {
                        "iam:PassedToService": [
                            *("eks.amazonaws.com", "ec2.amazonaws.com", "pods.eks.amazonaws.com"),
                        ]
                    }
                },
            },
            {
                # CodeBuild user guide, "Allow CodeBuild access to AWS services required to create a VPC".
                "Sid": "JoinVpc",
                "Effect": "Allow",
                "Action": "ec2:CreateNetworkInterfacePermission",
                "Resource": network,
                "Condition": {"StringEquals": {"ec2:AuthorizedService": "codebuild.amazonaws.com"}},
            },
            # Deny statements; `*` names every resource.
            {"Sid": "KeepData", "Effect": "Deny", "Action": list(NEVER), "Resource": "*"},
        ]
    )
