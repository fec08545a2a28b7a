"""AWS list prices in US dollars, as a table with the source of each. Pure.

Region us-east-1, on demand, before free tiers, discounts and tax. Prices of other regions were not looked up.
To update one, change its row and its source together.
"""

from __future__ import annotations

from dataclasses import dataclass

HOURS_A_MONTH = 730
"""What AWS's pricing calculator counts: 8,760 hours a year over twelve months."""

EC2 = "EC2 price list, generated 2026-01-19 in aws/karpenter-provider-aws, zz_generated.pricing_aws.go"
INFRACOST = "AWS price list as recorded in infracost's tests, {}"


@dataclass(frozen=True)
class Price:
    """A unit price.

    Args:
        usd: US dollars a unit.
        unit: The unit: "hour", "month", "GB-month", "GB".
        source: Where the price was read.
    """

    usd: float
    unit: str
    source: str

    @property
    def monthly(self) -> float:
        """US dollars a month for one unit that is there all month."""
        return self.usd * HOURS_A_MONTH if self.unit == "hour" else self.usd


def _recorded(usd: float, unit: str, test: str) -> Price:
    return Price(usd, unit, INFRACOST.format(test))


PRICES = {
    "EKS control plane": _recorded(0.10, "hour", "eks_cluster_test (027bec33)"),
    "NAT gateway": _recorded(0.045, "hour", "nat_gateway_test (153fa9d9)"),
    "NAT gateway, data processed": _recorded(0.045, "GB", "nat_gateway_test (153fa9d9)"),
    "public IPv4 address": Price(0.005, "hour", "AWS announcement for 2024-02-01, quoted by doit.com"),
    "network load balancer": _recorded(0.0225, "hour", "lb_test (0a8a5aaa)"),
    "load balancer capacity unit": _recorded(0.006, "hour", "lb_test (0a8a5aaa)"),
    "interface endpoint, one zone": _recorded(0.01, "hour", "vpc_endpoint_test (0a8a5aaa)"),
    "KMS key": _recorded(1.00, "month", "kms_key_test (728ec2c3)"),
    "hosted zone": _recorded(0.50, "month", "route53_zone_test (69c3645c)"),
    "health check, AWS endpoint": _recorded(0.50, "month", "route53_health_check_test (01c59b17)"),
    "health check option, AWS endpoint": _recorded(1.00, "month", "route53_health_check_test (01c59b17)"),
    "health check, other endpoint": _recorded(0.75, "month", "route53_health_check_test (01c59b17)"),
    "health check option, other endpoint": _recorded(2.00, "month", "route53_health_check_test (01c59b17)"),
    "metric alarm": _recorded(0.10, "month", "cloudwatch_metric_alarm_test (25994726)"),
    "high-resolution alarm": Price(0.30, "month", "CloudWatch pricing, second-hand"),
    "composite alarm": Price(0.50, "month", "CloudWatch pricing, quoted by c3x.dev"),
    "custom metric": Price(0.30, "month", "CloudWatch pricing, quoted by calculator.city"),
    "EBS snapshot": _recorded(0.05, "GB-month", "ebs_snapshot_test (infracost golden files)"),
    "gp3 volume": _recorded(0.08, "GB-month", "ebs_volume_test (25994726)"),
    "S3 Standard": _recorded(0.023, "GB-month", "s3_bucket_test (068dadf9)"),
    "transfer to another region": _recorded(0.02, "GB", "data_transfer_test (01c59b17)"),
    "S3 Replication Time Control": Price(0.015, "GB", "S3 pricing, second-hand"),
    "S3 Batch Operations job": Price(0.25, "job", "S3 price list, BatchOperations-Jobs, second-hand"),
    "S3 Batch Operations objects": Price(
        1.00, "million objects", "S3 price list, BatchOperations-Objects, second-hand"
    ),
    "S3 PUT requests": Price(5.00, "million requests", "S3 pricing, second-hand"),
    "AWS Backup of S3": Price(0.05, "GB-month", "cloudburn.io/blog/aws-backup-pricing, second-hand"),
    "secret": Price(0.40, "month", "AWS Secrets Manager pricing, second-hand"),
    **{
        f"Aurora {name}": Price(usd, "hour", "Aurora pricing, second-hand; three public price tables agree")
        for name, usd in {
            "db.r5.large": 0.29,
            "db.r5.xlarge": 0.58,
            "db.r5.2xlarge": 1.16,
            "db.r6g.large": 0.26,
            "db.r6g.xlarge": 0.519,
            "db.r6g.2xlarge": 1.038,
            "db.r6g.4xlarge": 2.076,
            "db.r7g.large": 0.276,
            "db.r7g.xlarge": 0.553,
            "db.r7g.2xlarge": 1.106,
            "db.r7g.4xlarge": 2.211,
        }.items()
    },
    **{
        f"EC2 {name}": Price(usd, "hour", EC2)
        for name, usd in {
            "m6i.large": 0.096,
            "g4dn.xlarge": 0.526,
            "g4dn.2xlarge": 0.752,
            "g4dn.4xlarge": 1.204,
            "g4dn.8xlarge": 2.176,
            "g4dn.16xlarge": 4.352,
            "g4dn.12xlarge": 3.912,
            "g4dn.metal": 7.824,
            "g5.xlarge": 1.006,
            "g5.2xlarge": 1.212,
            "g5.4xlarge": 1.624,
            "g5.8xlarge": 2.448,
            "g5.16xlarge": 4.096,
            "g5.12xlarge": 5.672,
            "g5.24xlarge": 8.144,
            "g5.48xlarge": 16.288,
            "g6.xlarge": 0.8048,
            "g6.2xlarge": 0.9776,
            "g6.4xlarge": 1.3232,
            "g6.8xlarge": 2.0144,
            "g6.16xlarge": 3.3968,
            "g6.12xlarge": 4.6016,
            "g6.24xlarge": 6.6752,
            "g6.48xlarge": 13.3504,
            "g6e.xlarge": 1.861,
            "g6e.2xlarge": 2.24208,
            "g6e.4xlarge": 3.00424,
            "g6e.8xlarge": 4.52856,
            "g6e.16xlarge": 7.57719,
            "g6e.12xlarge": 10.49264,
            "g6e.24xlarge": 15.06559,
            "g6e.48xlarge": 30.13118,
            "p4d.24xlarge": 21.957642,
            "p4de.24xlarge": 27.44705,
            "p5.4xlarge": 6.88,
            "p5.48xlarge": 55.04,
            "p5en.48xlarge": 63.296,
        }.items()
    },
}
"""Unit prices by item. An item that is missing has no sourced price, and its cost is unknown."""
