import json
from functools import cache
from typing import Any

import pulumi

from components.compute.image_copy import copied_image
from components.compute.worker_fleet import WorkerFleet, WorkerFleetArgs
from dr.topology.workers import Fleet, Sizes
from tests.support.mocks import Cloud, deploy

REGION = "us-west-2"
KEY = f"arn:aws:kms:{REGION}:123456789012:key/data"
FLEET = Fleet("batch", "ami-0123456789abcdef0", ("m6i.large", "m5.large"), root_device="/dev/sda1")


def fleet(**changes: Any) -> Cloud:
    values = {
        "prefix": "ml-dr",
        "fleet": FLEET,
        "region": REGION,
        "vpc_id": "vpc-1",
        "private_subnet_ids": ["subnet-a", "subnet-b", "subnet-c"],
        "image_id": "ami-copy",
        "sizes": Sizes(0, 0),
        "on_demand": 2,
        "key_arn": KEY,
        "datasets": "datasets",
        "tags": {"project": "ml-dr"},
        **changes,
    }
    return deploy(lambda: WorkerFleet("workers-batch", WorkerFleetArgs(**values)))


made = cache(fleet)


def test_instances_have_no_public_address_no_key_pair_and_imdsv2() -> None:
    template = made().one("LaunchTemplate", "workers-batch-template")

    (interface,) = template["networkInterfaces"]
    assert interface["associatePublicIpAddress"] == "false"
    assert template["metadataOptions"]["httpTokens"] == "required"
    assert not {"keyName", "userData"} & template.keys()


def test_volumes_are_encrypted_with_the_key_of_the_region_and_the_image_is_that_of_the_region() -> None:
    template = made().one("LaunchTemplate", "workers-batch-template")

    (mapping,) = template["blockDeviceMappings"]
    assert (mapping["ebs"]["encrypted"], mapping["ebs"]["kmsKeyId"]) == ("true", KEY)
    assert mapping["deviceName"] == "/dev/sda1", "another name would add a second volume"
    assert template["imageId"] == "ami-copy"
    assert template["monitoring"]["enabled"] is True


def test_group_spans_the_zones_with_on_demand_instances_before_spot_ones_of_several_types() -> None:
    group = made().one("Group", "workers-batch-group")
    policy = group["mixedInstancesPolicy"]

    assert len(group["vpcZoneIdentifiers"]) == 3
    assert (group["minSize"], group["maxSize"], "desiredCapacity" in group) == (0, 0, False)
    assert policy["instancesDistribution"] == {
        "onDemandAllocationStrategy": "prioritized",
        "onDemandBaseCapacity": 2,
        "onDemandPercentageAboveBaseCapacity": 0,
        "spotAllocationStrategy": "price-capacity-optimized",
    }
    assert [each["instanceType"] for each in policy["launchTemplate"]["overrides"]] == ["m6i.large", "m5.large"]
    assert group["instanceRefresh"]["strategy"] == "Rolling"


def test_role_reads_datasets_and_writes_results_of_its_region_and_opens_sessions() -> None:
    policy = made().one("RolePolicy", "workers-batch-policy")
    statements = json.loads(policy["policy"])["Statement"]

    assert {each["Resource"] for each in statements if each["Sid"] == "Write"} == {
        "arn:aws:s3:::datasets/results/us-west-2/*"
    }
    attached = made().one("RolePolicyAttachment", "workers-batch-AmazonSSMManagedInstanceCore")
    assert attached["policyArn"] == "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


def test_security_group_admits_no_connection() -> None:
    assert made().of("SecurityGroupIngressRule") == {}
    assert made().one("SecurityGroupEgressRule", "workers-batch-egress")["toPort"] == 443


def test_idle_fleet_loses_an_instance_without_an_alarm_that_dr_status_counts() -> None:
    alarm = made().one("MetricAlarm", "workers-batch-idle")

    assert alarm["name"] == "scale-in-ml-dr-workers-batch"
    assert (alarm["comparisonOperator"], alarm["threshold"], alarm["period"]) == ("LessThanThreshold", 25, 120)
    assert len(alarm["alarmActions"]) == 1


def test_another_image_is_another_copy_and_the_former_one_is_kept() -> None:
    def copies() -> pulumi.Output[str]:
        return copied_image("ml-dr", FLEET, "us-east-1", REGION, KEY, {"project": "ml-dr"})

    copy = deploy(copies).one("AmiCopy", "workers-batch-ami-0123456789abcdef0")

    assert (copy["sourceAmiId"], copy["sourceAmiRegion"], copy["region"]) == (FLEET.image, "us-east-1", REGION)
    assert (copy["encrypted"], copy["kmsKeyId"]) == (True, KEY)
