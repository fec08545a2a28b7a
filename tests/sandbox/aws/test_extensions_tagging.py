"""The Resource Groups Tagging API, for types that moto omits."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.server import Running
from tests.support.buckets import PRIMARY, RECOVERY

PAIRS = {"project": "ml-dr", "resource": "one"}
TAGS = [{"Key": key, "Value": value} for key, value in PAIRS.items()]


def specified(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": TAGS}]


def arns(aws: Running, region: str, *types: str, **values: str) -> list[str]:
    tagging = aws.client("resourcegroupstaggingapi", region)
    filters = [{"Key": key, "Values": [value]} for key, value in values.items()]
    found = tagging.get_resources(TagFilters=filters, ResourceTypeFilters=list(types))["ResourceTagMappingList"]
    return [each["ResourceARN"] for each in found]


@pytest.fixture
def vpc(aws: Running) -> str:
    made = aws.client("ec2", PRIMARY).create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=specified("vpc"))
    return str(made["Vpc"]["VpcId"])


def test_ec2_resources_are_found_by_resource_type(aws: Running, vpc: str) -> None:
    ec2 = aws.client("ec2", PRIMARY)
    group = ec2.create_security_group(
        GroupName="g", Description="d", VpcId=vpc, TagSpecifications=specified("security-group")
    )["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[rule], TagSpecifications=specified("security-group-rule")
    )
    ec2.allocate_address(TagSpecifications=specified("elastic-ip"))
    ec2.create_launch_template(
        LaunchTemplateName="t", LaunchTemplateData={}, TagSpecifications=specified("launch-template")
    )
    wanted = ("vpc", "security-group", "security-group-rule", "elastic-ip", "launch-template")

    for kind in wanted:
        (arn,) = arns(aws, PRIMARY, f"ec2:{kind}", resource="one")
        assert arn.startswith(f"arn:aws:ec2:{PRIMARY}:123456789012:{kind}/")
    assert len(arns(aws, PRIMARY, "ec2", resource="one")) == len(wanted)
    assert f"arn:aws:ec2:{PRIMARY}:123456789012:vpc/{vpc}" in arns(aws, PRIMARY)


@pytest.mark.usefixtures("vpc")
def test_resources_match_all_filters_in_their_region(aws: Running) -> None:
    assert len(arns(aws, PRIMARY, "ec2:vpc", **PAIRS)) == 1
    assert arns(aws, PRIMARY, "ec2:vpc", project="ml-dr", resource="two") == []
    assert arns(aws, PRIMARY, "ec2:subnet", **PAIRS) == []
    assert arns(aws, RECOVERY, "ec2:vpc", **PAIRS) == []


def test_a_released_address_is_not_found(aws: Running) -> None:
    ec2 = aws.client("ec2", PRIMARY)
    id = ec2.allocate_address(TagSpecifications=specified("elastic-ip"))["AllocationId"]
    ec2.release_address(AllocationId=id)

    assert arns(aws, PRIMARY, "ec2:elastic-ip") == []


def test_global_resources_are_found_in_us_east_1_only(aws: Running) -> None:
    route53 = aws.client("route53", PRIMARY)
    zone = route53.create_hosted_zone(Name="ml.example.com", CallerReference="1")["HostedZone"]["Id"].split("/")[-1]
    route53.change_tags_for_resource(ResourceType="hostedzone", ResourceId=zone, AddTags=TAGS)

    assert arns(aws, PRIMARY, "route53:hostedzone", **PAIRS) == [f"arn:aws:route53:::hostedzone/{zone}"]
    assert arns(aws, RECOVERY, "route53:hostedzone", **PAIRS) == []


def test_backup_plans_are_found_with_the_vaults_that_moto_knows(aws: Running) -> None:
    backup = aws.client("backup", PRIMARY)
    backup.create_backup_vault(BackupVaultName="vault", BackupVaultTags=PAIRS)
    plan = {"BackupPlanName": "plan", "Rules": [{"RuleName": "daily", "TargetBackupVaultName": "vault"}]}
    made = backup.create_backup_plan(BackupPlan=plan, BackupPlanTags=PAIRS)

    assert arns(aws, PRIMARY, "backup:backup-plan", **PAIRS) == [made["BackupPlanArn"]]
    assert len(arns(aws, PRIMARY, "backup", **PAIRS)) == 2
