"""Auto Scaling groups with a launch template: what AWS refuses, launches, replacements and scaling by alarms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.iam import key_of_data
from sandbox.aws.account import ACCOUNT
from sandbox.server import Running
from tests.support.waiting import wait_for

EAST, WEST, GROUP = "us-east-1", "us-west-2", "workers"
Control = Callable[..., Any]
TYPES = ("m6i.large", "m5.large")


def image(aws: Running, region: str = WEST) -> str:
    return str(aws.client("ec2", region).describe_images(Owners=["amazon"])["Images"][0]["ImageId"])


def subnets(aws: Running) -> str:
    found = aws.client("ec2", WEST).describe_subnets()["Subnets"]
    return ",".join(each["SubnetId"] for each in sorted(found, key=lambda each: each["AvailabilityZone"])[:3])


def template(aws: Running, image_id: str, **data: Any) -> str:
    made = aws.client("ec2", WEST).create_launch_template(
        LaunchTemplateName="workers",
        LaunchTemplateData={"ImageId": image_id, "InstanceType": TYPES[0], "Monitoring": {"Enabled": True}, **data},
    )
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def mixed(template_id: str, version: str = "1") -> dict[str, Any]:
    return {
        "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template_id, "Version": version},
            "Overrides": [{"InstanceType": each} for each in TYPES],
        },
    }


def create(aws: Running, template_id: str, **sizes: int) -> Any:
    scaling = aws.client("autoscaling", WEST)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        VPCZoneIdentifier=subnets(aws),
        MixedInstancesPolicy=mixed(template_id),
        **{"MinSize": 3, "MaxSize": 5, **sizes},
    )
    return scaling


def described(scaling: Any) -> dict[str, Any]:
    return dict(scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"][0])


def in_service(scaling: Any) -> list[dict[str, Any]]:
    return [each for each in described(scaling)["Instances"] if each["LifecycleState"] == "InService"]


def three_in_service(scaling: Any) -> list[dict[str, Any]]:
    wait_for(lambda: len(in_service(scaling)) == 3)
    return in_service(scaling)


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return f"{caught.value.response['Error']['Code']}: {caught.value.response['Error']['Message']}"


def test_instances_boot_spread_over_zones_on_demand_first(aws: Running) -> None:
    scaling = create(aws, template(aws, image(aws)))

    assert {each["LifecycleState"] for each in described(scaling)["Instances"]} == {"Pending"}
    running = three_in_service(scaling)
    assert set(Counter(each["AvailabilityZone"] for each in running).values()) == {1}
    ids = [each["InstanceId"] for each in running]
    reserved = aws.client("ec2", WEST).describe_instances(InstanceIds=ids)["Reservations"]
    bought = [each.get("InstanceLifecycle", "on-demand") for one in reserved for each in one["Instances"]]
    assert Counter(bought) == {"on-demand": 1, "spot": 2}


def test_image_of_another_region_is_refused(aws: Running) -> None:
    made = aws.client("ec2", EAST).create_image(InstanceId=_instance(aws, EAST), Name="workers")["ImageId"]

    message = refusal(lambda **_: create(aws, template(aws, made)))

    fact = f"You must use a valid fully-formed launch template. The image id '[{made}]' does not exist."
    assert message == f"ValidationError: {fact}"


def test_pending_copy_of_an_image_is_refused_until_it_is_available(aws: Running) -> None:
    ec2 = aws.client("ec2", WEST)
    copy = ec2.copy_image(Name="copy", SourceImageId=image(aws, EAST), SourceRegion=EAST)["ImageId"]

    assert "its state is pending" in refusal(lambda **_: create(aws, template(aws, copy)))
    wait_for(lambda: ec2.describe_images(ImageIds=[copy])["Images"][0]["State"] == "available")
    found = ec2.describe_images(ImageIds=[copy])["Images"][0]
    assert (found["SourceImageId"], found["SourceImageRegion"]) == (image(aws, EAST), EAST)


def test_copy_of_an_unknown_image_is_refused(aws: Running) -> None:
    wanted = {"Name": "copy", "SourceImageId": "ami-00000000", "SourceRegion": EAST}

    assert refusal(aws.client("ec2", WEST).copy_image, **wanted).startswith("InvalidAMIID.NotFound")


def test_encrypted_copy_fails_if_its_key_cannot_be_used(aws: Running) -> None:
    kms, ec2 = aws.client("kms", WEST), aws.client("ec2", WEST)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=key)

    made = ec2.copy_image(Name="copy", SourceImageId=image(aws, EAST), SourceRegion=EAST, Encrypted=True, KmsKeyId=key)[
        "ImageId"
    ]

    assert ec2.describe_images(ImageIds=[made])["Images"][0]["State"] == "failed"


def test_no_instance_starts_under_a_key_that_does_not_admit_auto_scaling(aws: Running) -> None:
    kms = aws.client("kms", WEST)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    volume = {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "Encrypted": True, "KmsKeyId": key}}
    scaling = create(aws, template(aws, image(aws), BlockDeviceMappings=[volume]))

    (activity,) = scaling.describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
    assert (activity["StatusCode"], "Client.InternalError" in activity["StatusMessage"]) == ("Failed", True)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=key_of_data(ACCOUNT))
    wait_for(lambda: len(in_service(scaling)) == 3)


def test_sizes_out_of_bounds_are_refused_and_bounds_move_the_desired_size(aws: Running) -> None:
    scaling = create(aws, template(aws, image(aws)))

    above = refusal(scaling.set_desired_capacity, AutoScalingGroupName=GROUP, DesiredCapacity=6)
    assert "is above max value 5" in above
    assert "must be greater" in refusal(scaling.update_auto_scaling_group, AutoScalingGroupName=GROUP, MinSize=6)
    scaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, MinSize=0, MaxSize=1)
    found = described(scaling)
    assert (found["DesiredCapacity"], len(found["Instances"])) == (1, 1)
    assert found["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]


def test_group_with_instances_is_not_deleted(aws: Running) -> None:
    scaling = create(aws, template(aws, image(aws)))

    assert refusal(scaling.delete_auto_scaling_group, AutoScalingGroupName=GROUP).startswith("ResourceInUse")


def test_refresh_replaces_instances_of_former_versions(aws: Running) -> None:
    made = template(aws, image(aws))
    scaling = create(aws, made)
    before = {each["InstanceId"] for each in three_in_service(scaling)}
    aws.client("ec2", WEST).create_launch_template_version(
        LaunchTemplateId=made, LaunchTemplateData={"ImageId": image(aws), "InstanceType": TYPES[1]}
    )
    scaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, MixedInstancesPolicy=mixed(made, "2"))
    assert {each["InstanceId"] for each in described(scaling)["Instances"]} == before

    scaling.start_instance_refresh(AutoScalingGroupName=GROUP)
    assert refusal(scaling.start_instance_refresh, AutoScalingGroupName=GROUP).startswith("InstanceRefreshInProgress")

    def status() -> str:
        found = scaling.describe_instance_refreshes(AutoScalingGroupName=GROUP)["InstanceRefreshes"]
        return str(found[0]["Status"])

    wait_for(lambda: status() == "Successful")
    assert not before & {each["InstanceId"] for each in in_service(scaling)}


def test_busy_instances_raise_the_alarm_which_adds_instances_up_to_the_maximum(aws: Running, control: Control) -> None:
    scaling = create(aws, template(aws, image(aws)))
    wait_for(lambda: len(in_service(scaling)) == 3)
    arn = scaling.put_scaling_policy(
        AutoScalingGroupName=GROUP,
        PolicyName="grow",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        EstimatedInstanceWarmup=60,
        StepAdjustments=[{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    )["PolicyARN"]
    metrics = aws.client("cloudwatch", WEST)
    metrics.put_metric_alarm(
        AlarmName="busy",
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "AutoScalingGroupName", "Value": GROUP}],
        Statistic="Average",
        Period=120,
        EvaluationPeriods=2,
        Threshold=75,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[arn],
    )
    control("POST", "clock", {"advance": 300})
    assert described(scaling)["DesiredCapacity"] == 3

    control("POST", "faults", {"kind": "load", "region": WEST, "group": GROUP, "percent": 90})
    control("POST", "clock", {"advance": 360})
    assert metrics.describe_alarms(AlarmNames=["busy"])["MetricAlarms"][0]["StateValue"] == "ALARM"
    assert described(scaling)["DesiredCapacity"] > 3
    for _ in range(3):
        wait_for(lambda: len(in_service(scaling)) == described(scaling)["DesiredCapacity"])
        control("POST", "clock", {"advance": 180})
    assert described(scaling)["DesiredCapacity"] == 5

    control("DELETE", f"faults?region={WEST}&group={GROUP}")
    control("POST", "clock", {"advance": 360})
    assert metrics.describe_alarms(AlarmNames=["busy"])["MetricAlarms"][0]["StateValue"] == "OK"


def _instance(aws: Running, region: str) -> str:
    ec2 = aws.client("ec2", region)
    return str(ec2.run_instances(ImageId=image(aws, region), MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])


def test_key_policy_names_no_role_that_may_not_exist() -> None:
    principals = [each["Principal"]["AWS"] for each in json.loads(key_of_data(ACCOUNT))["Statement"]]

    assert principals == [f"arn:aws:iam::{ACCOUNT}:root", "*", "*"]
