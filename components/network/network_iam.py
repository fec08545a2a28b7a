"""What VPC flow logs may do. Pure: ARNs in, JSON out."""

from __future__ import annotations

import json

FLOW_LOGS = "vpc-flow-logs.amazonaws.com"


def trust_flow_logs(account: str, region: str) -> str:
    """Only flow logs of this account and region may assume the role, on nobody else's behalf."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": FLOW_LOGS},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": account},
            # Every flow log of the region: the role is made before the one that will use it has an id.
            "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:{region}:{account}:vpc-flow-log/*"},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def write_flow_logs(group_arn: str) -> str:
    """Write to one log group (VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs").

    The guide's CreateLogGroup is left out, since the group is there before.
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
                    # Every stream of just this group: each network interface has one of its own.
                    "Resource": [group_arn, f"{group_arn}:*"],
                },
                # Listing groups knows no narrower resource than all groups of the region.
                {"Sid": "Find", "Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": groups},
            ],
        }
    )
