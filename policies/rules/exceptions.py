"""Recorded exceptions to rules, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .model import Resource


@dataclass(frozen=True)
class Exemption:
    """An exception to one rule. All fields must match; patterns are shell patterns.

    Args:
        rule: Name of the rule.
        reason: Why it is allowed, as a full sentence.
        resource: Pattern of the resource's name in the program.
        where: Patterns of property values, by property path.
        fact: Pattern of the reported fact.
    """

    rule: str
    reason: str
    resource: str = "*"
    where: Mapping[str, str] = field(default_factory=dict)
    fact: str = "*"

    @property
    def scope(self) -> str:
        """Description of what it covers."""
        patterns = {"resource": self.resource, **self.where, "fact": self.fact}
        return ", ".join(f"{name} `{pattern}`" for name, pattern in patterns.items() if pattern != "*")

    def covers(self, rule: str, resource: Resource, fact: str) -> bool:
        """Return whether it covers a fact of a resource."""
        return (
            rule == self.rule
            and fnmatchcase(resource.name, self.resource)
            and fnmatchcase(fact, self.fact)
            and all(fnmatchcase(str(resource.look(path)), value) for path, value in self.where.items())
        )


EXCEPTIONS: tuple[Exemption, ...] = (
    Exemption(
        rule="iam-policy-no-wildcard-action",
        resource="database-export-policy",
        fact='statement WriteExports has Action "s3:*Object[*]"',
        reason="RDS names the actions of an export so; they include tags, retention and access control lists.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-flow-logs-policy",
        fact='statement Find has Resource "arn:aws:logs:*:log-group:[*]"',
        reason="Flow logs find their log group by name; logs:DescribeLogGroups has no resource-level permissions.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-load-balancer-policy",
        fact='statement Describe has Resource "[*]"',
        reason="The load balancer controller finds its targets by Describe actions without resource-level permissions.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-autoscaler-policy",
        fact='statement Describe has Resource "[*]"',
        reason="The Cluster Autoscaler finds its groups by Describe actions, which have no resource-level permissions.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-autoscaler-policy",
        fact='statement Groups has Resource "arn:aws:eks:*:nodegroup/*/[*]"',
        reason="Node groups of one cluster: EKS appends a generated ID to their names.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-autoscaler-policy",
        fact='statement Resize has Resource "arn:aws:autoscaling:*:autoScalingGroup:[*]"',
        reason="EKS generates the names of the groups; a condition on its tag limits the statement to one cluster.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="group-metrics-*policy",
        fact='statement Report has Resource "arn:aws:autoscaling:*:autoScalingGroup:[*]"',
        reason="EKS generates the names of the groups; a condition on its tag limits the statement to one cluster.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="prober-policy",
        fact='statement Publish has Resource "[*]"',
        reason="PutMetricData has no resource-level permissions; a condition limits it to one namespace.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="republisher-policy",
        fact='statement Publish has Resource "[*]"',
        reason="PutMetricData has no resource-level permissions; a condition limits it to one namespace.",
    ),
    *(
        Exemption(
            rule="iam-policy-no-wildcard-resource",
            resource="restore-validation-policy",
            fact=f"statement {statement} has Resource {resource}",
            reason=reason,
        )
        for statement, resource, reason in (
            ("Jobs", '"[*]"', "Restore jobs and descriptions of volumes have no resource-level permissions."),
            ("Points", '"arn:aws:*[*]"', "AWS Backup generates the IDs of recovery points and snapshots."),
            ("Versions", '"arn:aws:s3:::awsbackup-restore-test-[*]"', "AWS Backup generates the names of the buckets."),
            ("Objects", '"arn:aws:s3:::awsbackup-restore-test-[*]/[*]"', "AWS Backup generates these names."),
        )
    ),
    Exemption(
        rule="iam-policy-no-wildcard-action",
        resource="runner-policy",
        fact='statement Deploy has Action "*:[*]"',
        reason="Each version of the AWS plugin makes other calls; a condition limits them to one region.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-action",
        resource="runner-policy",
        fact='statement ReadGlobal has Action "*:*[*]"',
        reason="A deployment reads IAM and Route 53 by many calls; the names of these actions begin with Get and List.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="runner-policy",
        fact='statement Deploy has Resource "[*]"',
        reason="A deployment replaces resources, whose ARNs are not known before; a condition limits it to one region.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="runner-policy",
        fact='statement ReadGlobal has Resource "[*]"',
        reason="Most of these reads have no resource-level permissions.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="runner-policy",
        fact='statement ChangeRecords has Resource "arn:aws:route53:::*/[*]"',
        reason="The IDs of zone and checks are generated by Route 53; the other stack creates the zone.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="runner-policy",
        fact='statement JoinVpc has Resource "arn:aws:ec2:*:network-interface/[*]"',
        reason="CodeBuild creates the network interfaces; a condition limits the permission to CodeBuild.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="failover-trigger-policy",
        fact='statement Alarms has Resource "[*]"',
        reason="DescribeAlarms returns composite alarms only with this resource; a condition limits it to one region.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="automation-policy",
        fact='statement Measure has Resource "[*]"',
        reason="These reads have no resource-level permissions, or return composite alarms only with this resource.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="automation-policy",
        fact='statement Publish has Resource "[*]"',
        reason="PutMetricData has no resource-level permissions; a condition limits it to one namespace.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="automation-policy",
        fact='statement ResizeNodes has Resource "arn:aws:eks:*:nodegroup/*/[*]"',
        reason="EKS generates the last part of the ARNs of the cluster's node groups.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="automation-policy",
        fact='statement ResizeWorkers has Resource "arn:aws:autoscaling:*:autoScalingGroup:[*]:autoScalingGroupName/*"',
        reason="Auto Scaling generates the ID in the ARN of a group; the group's name follows it.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="automation-policy",
        fact='statement SignIn has Resource "[*]"',
        reason="ecr:GetAuthorizationToken has no resource-level permissions.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="automation-policy",
        fact='statement JoinVpc has Resource "[*]"',
        reason="CodeBuild documents these actions with this resource; a condition limits them to one region.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="automation-policy",
        fact='statement PermitVpc has Resource "arn:aws:ec2:*:network-interface/[*]"',
        reason="CodeBuild creates the network interfaces; a condition limits the permission to CodeBuild.",
    ),
    Exemption(
        rule="cloudwatch-alarm-outside-primary-region",
        fact="an alarm on AWS/*",
        reason="AWS publishes these metrics only in their own region; such an alarm is an early warning.",
    ),
    Exemption(
        rule="cloudwatch-alarm-has-action",
        resource="alarms-primary-silent",
        fact="alarmActions is empty",
        reason="It is a witness of the composite alarm region-impaired, which notifies.",
    ),
    Exemption(
        rule="cloudwatch-alarm-has-action",
        resource="alarms-sentinel-stale",
        fact="alarmActions is empty",
        reason="It is a witness of the composite alarm region-impaired, which notifies.",
    ),
    Exemption(
        rule="route53-record-health-check",
        resource="*-status-unhealthy",
        reason="Its name shows what the health checkers find: it is the answer while the other record is unhealthy.",
    ),
)


def allowed(rule: str, resource: Resource, fact: str) -> bool:
    """Return whether an exception is recorded for a fact."""
    return any(each.covers(rule, resource, fact) for each in EXCEPTIONS)
