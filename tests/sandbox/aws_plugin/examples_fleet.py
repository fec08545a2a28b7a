"""Examples of the types of worker fleets, as in examples.py."""

from __future__ import annotations

from typing import Any

from tests.sandbox.aws_plugin.examples import KEY, TAGS, Example, Inputs
from tests.sandbox.aws_plugin.examples_ec2 import SUBNET, TAG_CHANGE, subnet

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
FLEET = "aws:autoscaling/group:Group"
SCALING = "aws:autoscaling/policy:Policy"
COPY = "aws:ec2/amiCopy:AmiCopy"


def image(engine: Any, region: str = "us-east-1") -> str:
    """Return the ID of an image that exists in a region."""
    found = engine.client("ec2", region).describe_images(Owners=["amazon"])["Images"]
    return str(found[0]["ImageId"])


def fleet(engine: Any, name: str) -> Inputs:
    """Return the inputs of a group of two instance types, without instances."""
    template = engine.make(TEMPLATE, name, name=name, imageId=image(engine), instanceType="m6i.large")
    place = engine.make(SUBNET, name, **subnet(engine, name))
    return {
        "name": name,
        "minSize": 0,
        "maxSize": 2,
        "vpcZoneIdentifiers": [place.id],
        "waitForCapacityTimeout": "0",
        "enabledMetrics": ["GroupDesiredCapacity"],
        "mixedInstancesPolicy": {
            "instancesDistribution": {
                "onDemandAllocationStrategy": "prioritized",
                "onDemandBaseCapacity": 1,
                "onDemandPercentageAboveBaseCapacity": 0,
                "spotAllocationStrategy": "price-capacity-optimized",
            },
            "launchTemplate": {
                "launchTemplateSpecification": {"launchTemplateId": template.id, "version": "1"},
                "overrides": [{"instanceType": "m6i.large"}, {"instanceType": "m5.large"}],
            },
        },
        "instanceRefresh": {"strategy": "Rolling", "preferences": {"instanceWarmup": "60", "skipMatching": True}},
        "tags": [{"key": "team", "value": "ml", "propagateAtLaunch": False}],
    }


def _fleet(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = fleet(engine, name)
    return plain, {**plain, "maxSize": 5}


def _scaling(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {
        "name": name,
        "autoscalingGroupName": engine.make(FLEET, name, **fleet(engine, name)).id,
        "policyType": "StepScaling",
        "adjustmentType": "ChangeInCapacity",
        "stepAdjustments": [{"scalingAdjustment": 1, "metricIntervalLowerBound": "0"}],
    }
    return plain, {**plain, "estimatedInstanceWarmup": 60}


def _copy(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    plain = {
        "name": name,
        "sourceAmiId": image(engine, "us-west-2"),
        "sourceAmiRegion": "us-west-2",
        "description": "workers",
        "encrypted": True,
        "kmsKeyId": engine.make(KEY, name).state["arn"],
        "tags": TAGS,
    }
    return plain, {**plain, "tags": {"team": "ml"}}


EXAMPLES_FLEET = {
    "fleet": Example(FLEET, _fleet, frozenset({"maxSize"})),
    "scaling-policy": Example(SCALING, _scaling, frozenset({"estimatedInstanceWarmup"}), imports=False),
    "image-copy": Example(COPY, _copy, TAG_CHANGE),
}
