"""IAM policies of VPC flow logs. Pure: ARNs in, JSON out."""

from __future__ import annotations

import json

FLOW_LOGS = "vpc-flow-logs.amazonaws.com"


def trust_flow_logs(account: str, region: str) -> str:
    """Return a trust policy: only flow logs of this account and region may assume the role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": FLOW_LOGS},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": account},
            # All flow logs of the region, because the role is created before the flow log has an ID.
            "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:{region}:{account}:vpc-flow-log/*"},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def write_flow_logs(group_arn: str) -> str:
    """Return a policy: write to one log group (VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs").

    The guide's CreateLogGroup is left out, because Pulumi creates the group.
    """
    groups = group_arn.partition(":log-group:")[0] + ":log-group:*"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Write",
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    # All streams of this group, because each network interface has its own.
                    "Resource": [group_arn, f"{group_arn}:*"],
                },
                # DescribeLogGroups supports no narrower resource than all groups of the region.
                {"Sid": "Find", "Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": groups},
            ],
        }
    )
