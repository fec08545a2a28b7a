"""Policy rules: a compliant example of each, and violations in one field with their message."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pulumi_policy import EnforcementLevel

from components.kubernetes.objects import token
from policies.rules.exceptions import EXCEPTIONS, Exemption
from policies.rules.model import UNKNOWN, Resource, Rule
from policies.rules.pack import RULES
from policies.rules.stacks import TAGGED
from sandbox.aws_plugin.catalog import CATALOG
from tests.support.kubernetes import manifests
from tests.support.policies import NOT_KNOWN, POLICIES, Given, provider, violations
from tests.support.policy_examples import ALARM, EXAMPLES, FLOW_LOG, LEVER_CHECK, SUBNETS, ZONE_NODES, of_kind
from tests.support.policy_examples_storage import BUCKET, EAST, WEST, Example, setting
from tests.support.program import first_deployment

ROOT = Path(__file__).parents[3]
REMEDIES = {rule.name: rule.remedy for rule in RULES}
BROKEN = [
    pytest.param(example, *case[:3], case[3], id=f"{example.rule}-{case[0]}-{case[1]}-{number}")
    for example in EXAMPLES
    for number, case in enumerate(example.broken)
]


def changed(example: Example, name: str, path: str, value: object) -> list[Given]:
    return [each.but(path, value) if each.name == name else each for each in example.stack]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rule)
def test_compliant_stack_is_not_reported(example: Example) -> None:
    assert violations(example.rule, *example.stack) == []


@pytest.mark.parametrize(("example", "name", "path", "value", "fact"), BROKEN)
def test_a_violation_in_one_field_is_reported_with_its_value_and_remedy(
    example: Example, name: str, path: str, value: object, fact: str
) -> None:
    messages = violations(example.rule, *changed(example, name, path, value))

    assert messages == [f"{fact} -> {REMEDIES[example.rule]}"]


@pytest.mark.parametrize(("example", "name", "path", "value", "fact"), BROKEN)
def test_an_unknown_value_is_not_a_violation(example: Example, name: str, path: str, value: object, fact: str) -> None:
    # Reading an unknown value by the SDK raises an error, and the engine reports "can't run policy".
    assert violations(example.rule, *changed(example, name, path, NOT_KNOWN)) == []


def test_pool_of_two_groups_in_one_zone_is_reported_once() -> None:
    stack = (*ZONE_NODES, SUBNETS[0], SUBNETS[1].but("availabilityZone", "us-east-1a"))

    (message,) = violations("eks-node-group-two-zones", *stack)
    assert message.startswith('all subnets of the node groups of pool "gpu" are in us-east-1a')


def test_every_rule_has_an_example_with_a_violation() -> None:
    assert [example.rule for example in EXAMPLES] == [rule.name for rule in RULES]
    assert all(example.broken for example in EXAMPLES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_a_name_a_requirement_a_reason_and_a_remedy(rule: Rule) -> None:
    assert re.fullmatch(
        r"(s3|kms|route53|cloudwatch|iam|tags|stack|ec2|eks|backup|database|kubernetes)(-[a-z0-9]+)+", rule.name
    )
    assert rule.requirement.endswith(".")
    assert " must " in rule.requirement
    assert rule.reason
    assert rule.remedy
    assert (rule.check is None) != (rule.check_in_stack is None)
    assert POLICIES[rule.name].description == f"{rule.requirement} Reason: {rule.reason}."
    assert POLICIES[rule.name].enforcement_level is EnforcementLevel[rule.level.name]


def test_rule_names_are_unique() -> None:
    assert len(POLICIES) == len(RULES)


def test_an_existing_bucket_may_have_other_settings() -> None:
    adopted = BUCKET.but("tags", {"project": "other"})

    assert violations("s3-bucket-public-access-blocked", BUCKET) != []
    assert violations("s3-bucket-public-access-blocked", adopted) == []


def test_a_setting_of_an_unknown_bucket_is_found_by_its_references() -> None:
    block = setting("BucketPublicAccessBlock", NOT_KNOWN, blockPublicAcls=False)
    of_it = Given(block.type, "block", block.props, {"bucket": [BUCKET.name]})
    other = Given(BUCKET.type, "other", {**BUCKET.props, "bucket": "other"})
    of_other = Given(block.type, "block", block.props, {"bucket": ["other"]})

    assert "blockPublicAcls is false" in violations("s3-bucket-public-access-blocked", BUCKET, of_it)[0]
    messages = violations("s3-bucket-public-access-blocked", BUCKET, other, of_other)
    assert messages[0].startswith("the bucket has no BucketPublicAccessBlock")


def test_a_flow_log_of_an_unknown_vpc_is_found_by_its_references() -> None:
    vpc = of_kind("aws:ec2/vpc:Vpc", id=NOT_KNOWN)

    assert violations("ec2-vpc-flow-logs", vpc) != []
    assert (
        violations("ec2-vpc-flow-logs", vpc, Given(FLOW_LOG.type, "log", {"vpcId": NOT_KNOWN}, {"vpcId": ["it"]})) == []
    )


def test_a_simple_record_needs_no_health_check_and_no_short_ttl() -> None:
    plain = of_kind("aws:route53/record:Record", name="docs.example.com", ttl=3600.0)

    assert violations("route53-record-short-ttl", plain) == []
    assert violations("route53-record-health-check", plain) == []


def test_the_health_check_of_the_recovery_stack_uses_an_alarm_in_its_region() -> None:
    rule = "route53-check-alarm-in-recovery-region"
    check = LEVER_CHECK.but("tags.role", "recovery")

    assert violations(rule, check, provider(WEST)) == []
    assert violations(rule, check.but("cloudwatchAlarmRegion", EAST), provider(WEST)) != []


def test_a_second_provider_does_not_move_the_recovery_stack() -> None:
    alarm = ALARM.but("tags.role", "recovery")
    second = Given("pulumi:providers:aws", "east", {"region": EAST})
    rule = "stack-recovery-in-recovery-region"

    assert violations(rule, alarm, provider(WEST), second) == []
    assert violations(rule, alarm.but("region", EAST), provider(WEST), second) != []


FIND = {"Sid": "Find", "Effect": "Allow", "Action": "logs:DescribeLogGroups"}
ALL_GROUPS = json.dumps({"Statement": {**FIND, "Resource": "arn:aws:logs:us-east-1:123456789012:log-group:*"}})
FLOW_LOGS = Given("aws:iam/rolePolicy:RolePolicy", "network-flow-logs-policy", {"policy": ALL_GROUPS})


def granted(name: str, sid: str, action: str, resource: str) -> Given:
    statement = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}
    return Given("aws:iam/rolePolicy:RolePolicy", name, {"policy": json.dumps({"Statement": [statement]})})


def pods(role: str, sid: str, resource: str) -> Given:
    return granted(f"cluster-roles-{role}-policy", sid, "ec2:DescribeVpcs", resource)


def publisher(function: str) -> Given:
    return granted(f"{function}-policy", "Publish", "cloudwatch:PutMetricData", "*")


def reads_alarms(name: str, sid: str) -> Given:
    return granted(name, sid, "cloudwatch:DescribeAlarms", "*")


def witness(name: str) -> Given:
    """Return an alarm without actions that serves a composite alarm."""
    return Given(ALARM.type, f"alarms-{name}", {**ALARM.props, "alarmActions": []})


STATUS = Given(
    "aws:route53/record:Record",
    "primary-status-unhealthy",
    {"name": "status-primary.ml.example.com", "weightedRoutingPolicies": [{"weight": 0}]},
)
NODE_GROUPS = "arn:aws:eks:us-east-1:123456789012:nodegroup/ml-dr/*"
SCALING_GROUPS = "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:*"
RESIZE = granted("automation-policy", "ResizeNodes", "eks:UpdateNodegroupConfig", NODE_GROUPS)
INTERFACES = "arn:aws:ec2:us-west-2:123456789012:network-interface/*"
KEY_ARN = "arn:aws:kms:us-west-2:123456789012:key/one"
ANY_ZONE = ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/*")
PERMIT = granted("automation-policy", "PermitVpc", "ec2:CreateNetworkInterfacePermission", INTERFACES)
WORKERS = f"{SCALING_GROUPS}:autoScalingGroupName/ml-dr-workers-batch"
RESIZE_WORKERS = granted("automation-policy", "ResizeWorkers", "autoscaling:UpdateAutoScalingGroup", WORKERS)
REPORT = granted("group-metrics-schedule-policy", "Report", "autoscaling:EnableMetricsCollection", SCALING_GROUPS)

VALIDATION, RESTORED = "restore-validation-policy", "arn:aws:s3:::awsbackup-restore-test-*"
POINTS = "arn:aws:backup:us-west-2:123456789012:recovery-point:*"
EXCEPTED = (
    ("iam-policy-no-wildcard-action", (granted("database-export-policy", "WriteExports", "s3:PutObject*", KEY_ARN),)),
    ("iam-policy-no-wildcard-resource", (FLOW_LOGS,)),
    ("iam-policy-no-wildcard-resource", (pods("load-balancer", "Describe", "*"),)),
    ("iam-policy-no-wildcard-resource", (pods("autoscaler", "Describe", "*"),)),
    ("iam-policy-no-wildcard-resource", (pods("autoscaler", "Groups", NODE_GROUPS),)),
    ("iam-policy-no-wildcard-resource", (pods("autoscaler", "Resize", SCALING_GROUPS),)),
    ("iam-policy-no-wildcard-resource", (REPORT,)),
    ("iam-policy-no-wildcard-resource", (publisher("prober"),)),
    ("iam-policy-no-wildcard-resource", (publisher("republisher"),)),
    ("iam-policy-no-wildcard-resource", (granted(VALIDATION, "Jobs", "backup:DescribeRestoreJob", "*"),)),
    ("iam-policy-no-wildcard-resource", (granted(VALIDATION, "Points", "backup:DescribeRecoveryPoint", POINTS),)),
    ("iam-policy-no-wildcard-resource", (granted(VALIDATION, "Versions", "s3:ListBucketVersions", RESTORED),)),
    ("iam-policy-no-wildcard-resource", (granted(VALIDATION, "Objects", "s3:GetObjectVersion", f"{RESTORED}/*"),)),
    ("iam-policy-no-wildcard-action", (granted("runner-policy", "Deploy", "eks:*", KEY_ARN),)),
    ("iam-policy-no-wildcard-action", (granted("runner-policy", "ReadGlobal", "iam:Get*", KEY_ARN),)),
    ("iam-policy-no-wildcard-resource", (granted("runner-policy", "Deploy", "eks:CreateCluster", "*"),)),
    ("iam-policy-no-wildcard-resource", (granted("runner-policy", "ReadGlobal", "iam:GetRole", "*"),)),
    ("iam-policy-no-wildcard-resource", (granted("runner-policy", "ChangeRecords", *ANY_ZONE),)),
    (
        "iam-policy-no-wildcard-resource",
        (granted("runner-policy", "JoinVpc", "ec2:Attach", INTERFACES),),
    ),
    ("iam-policy-no-wildcard-resource", (reads_alarms("failover-trigger-policy", "Alarms"),)),
    ("iam-policy-no-wildcard-resource", (reads_alarms("automation-policy", "Measure"),)),
    ("iam-policy-no-wildcard-resource", (publisher("automation"),)),
    ("iam-policy-no-wildcard-resource", (RESIZE,)),
    ("iam-policy-no-wildcard-resource", (RESIZE_WORKERS,)),
    ("iam-policy-no-wildcard-resource", (granted("automation-policy", "SignIn", "ecr:GetAuthorizationToken", "*"),)),
    ("iam-policy-no-wildcard-resource", (granted("automation-policy", "JoinVpc", "ec2:DescribeVpcs", "*"),)),
    ("iam-policy-no-wildcard-resource", (PERMIT,)),
    ("cloudwatch-alarm-outside-primary-region", (ALARM.but("region", EAST).but("namespace", "AWS/S3"), provider())),
    ("cloudwatch-alarm-has-action", (witness("primary-silent"),)),
    ("cloudwatch-alarm-has-action", (witness("sentinel-stale"),)),
    ("route53-record-health-check", (STATUS,)),
)


@pytest.mark.parametrize(("rule", "stack"), EXCEPTED, ids=[rule for rule, _ in EXCEPTED])
def test_a_recorded_exception_is_not_reported(rule: str, stack: tuple[Given, ...]) -> None:
    assert violations(rule, *stack) == []


@pytest.mark.parametrize("rule", ["iam-policy-no-wildcard-action", "iam-policy-no-wildcard-resource"])
def test_policies_of_runner_and_automation_violate_no_rule(rule: str) -> None:
    image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ml-dr/runner:1"
    made = first_deployment("dr", tier="pilot", automation="automatic", runner="true", runnerImage=image)

    policies = [Given(each.type, name, each.inputs) for name, each in made.of("RolePolicy").items()]
    assert {"runner-policy", "automation-policy", "failover-trigger-policy"} <= {each.name for each in policies}
    assert violations(rule, *policies) == []


def test_every_exception_has_a_rule_a_reason_and_a_test() -> None:
    assert [each.rule for each in EXCEPTIONS] == [rule for rule, _ in EXCEPTED]
    assert {each.rule for each in EXCEPTIONS} <= set(POLICIES)
    assert all(each.reason.endswith(".") for each in EXCEPTIONS)


def test_an_exception_covers_only_its_own_scope() -> None:
    exception = Exemption("a-rule", "Why.", resource="nodes-*", where={"tags.role": "primary"}, fact='* Resource "x"')
    nodes = Resource("t", "nodes-role", {"tags": {"role": "primary"}})

    assert exception.covers("a-rule", nodes, 'a statement has Resource "x"')
    assert not exception.covers("another", nodes, 'a statement has Resource "x"')
    assert not exception.covers("a-rule", nodes, 'a statement has Resource "*"')
    assert not exception.covers("a-rule", Resource("t", "other", nodes.props), 'a statement has Resource "x"')
    assert not exception.covers("a-rule", Resource("t", "nodes-role", {"tags": UNKNOWN}), 'has Resource "x"')


def test_every_type_with_tags_must_be_tagged() -> None:
    taggable = {token for token, kind in CATALOG.items() if kind.tags}

    assert taggable - set(TAGGED) <= {"aws:s3/bucketObjectv2:BucketObjectv2"}


def test_the_documentation_lists_every_rule_and_exception() -> None:
    text = (ROOT / "docs/policies.md").read_text()
    rows = [f"| `{rule.name}` | {rule.requirement} | {rule.reason} | {rule.level} |" for rule in RULES]
    reasons = [f"| `{each.rule}` | {each.scope} | {each.reason} |" for each in EXCEPTIONS]

    assert [line for line in text.splitlines() if line.startswith("| `")] == [*rows, *reasons]


def test_import_of_the_rules_starts_no_policy_pack_and_imports_no_sdk() -> None:
    program = (
        "import sys, policies.rules.storage, policies.rules.traffic, policies.rules.exceptions; "
        "print([name for name in sys.modules if name.startswith('pulumi')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_every_kubernetes_object_of_this_program_satisfies_the_workload_rules() -> None:
    for manifest in manifests():
        given = Given(token(manifest), "it", dict(manifest))
        for rule in ("kubernetes-container-confined", "kubernetes-image-versioned"):
            assert violations(rule, given) == []
