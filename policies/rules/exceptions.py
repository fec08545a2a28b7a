"""What is allowed although a rule forbids it: the one place where that is recorded, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .model import Resource


@dataclass(frozen=True)
class Exemption:
    """An exception to one rule. All that is given has to match; patterns are those of a shell.

    Args:
        rule: Name of the rule.
        reason: Why it is allowed, as a full sentence.
        resource: The resource's name in the program.
        where: Path of a property to its value.
        fact: The fact that the rule reports.
    """

    rule: str
    reason: str
    resource: str = "*"
    where: Mapping[str, str] = field(default_factory=dict)
    fact: str = "*"

    @property
    def described(self) -> str:
        """What it covers, in words."""
        given = {"resource": self.resource, **self.where, "fact": self.fact}
        return ", ".join(f"{what} `{pattern}`" for what, pattern in given.items() if pattern != "*")

    def covers(self, rule: str, resource: Resource, fact: str) -> bool:
        """Whether it allows this fact."""
        return (
            rule == self.rule
            and fnmatchcase(resource.name, self.resource)
            and fnmatchcase(fact, self.fact)
            and all(fnmatchcase(str(resource.look(path)), value) for path, value in self.where.items())
        )


EXCEPTIONS: tuple[Exemption, ...] = (
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-flow-logs-policy",
        fact='statement Find has Resource "arn:aws:logs:*:log-group:[*]"',
        reason="Flow logs look for their group by name, and logs:DescribeLogGroups knows no narrower resource.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-load-balancer-policy",
        fact='statement Describe has Resource "[*]"',
        reason="The load balancer controller looks for its targets, and describing knows no narrower resource.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-autoscaler-policy",
        fact='statement Describe has Resource "[*]"',
        reason="The cluster autoscaler looks for its groups, and describing knows no narrower resource.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-autoscaler-policy",
        fact='statement Groups has Resource "arn:aws:eks:*:nodegroup/*/[*]"',
        reason="Node groups of just one cluster: EKS puts an id that it makes up behind their names.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="*-autoscaler-policy",
        fact='statement Resize has Resource "arn:aws:autoscaling:*:autoScalingGroup:[*]"',
        reason="EKS makes up the groups' names; a condition on EKS's tag holds it to those of one cluster.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="group-metrics-*policy",
        fact='statement Report has Resource "arn:aws:autoscaling:*:autoScalingGroup:[*]"',
        reason="EKS makes up the groups' names; a condition on EKS's tag holds it to those of one cluster.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="prober-policy",
        fact='statement Publish has Resource "[*]"',
        reason="PutMetricData knows no narrower resource; a condition holds it to one namespace.",
    ),
    Exemption(
        rule="iam-policy-no-wildcard-resource",
        resource="republisher-policy",
        fact='statement Publish has Resource "[*]"',
        reason="PutMetricData knows no narrower resource; a condition holds it to one namespace.",
    ),
    Exemption(
        rule="cloudwatch-alarm-outside-primary-region",
        fact="an alarm on AWS/*",
        reason="AWS publishes these metrics in their own region only: such an alarm is an early warning.",
    ),
    Exemption(
        rule="backup-plan-copies-to-another-region",
        where={"tags.role": "recovery"},
        reason="The plan of the recovery region is for the time after a failover, when the other region may be gone.",
    ),
)


def allowed(rule: str, resource: Resource, fact: str) -> bool:
    """Whether an exception is recorded for a fact."""
    return any(each.covers(rule, resource, fact) for each in EXCEPTIONS)
