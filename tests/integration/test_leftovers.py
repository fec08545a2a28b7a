"""What a cluster left in AWS, read from EC2 and the tagging API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dr.findings import Finding, Status
from dr.preflight import leftovers
from dr.preflight.check import Subject
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from sandbox.local import ROOT
from sandbox.server import Running
from tests.support.builders import topology as build

REGION = "us-west-2"


def found(tier: Tier = Tier.BACKUP) -> list[Finding]:
    return list(leftovers.look(Subject(replace(build(Role.RECOVERY), tier=tier), "dr", ROOT)))


@pytest.mark.usefixtures("aws")
def test_region_without_leftovers_is_met() -> None:
    assert [(each.status, each.measured) for each in found()] == [(Status.MET, "no instance, volume or load balancer")]


@pytest.mark.usefixtures("aws")
def test_tier_with_a_cluster_is_not_examined() -> None:
    assert [each.status for each in found(Tier.WARM)] == [Status.INFO]


def test_instances_of_karpenter_that_outlived_their_cluster_are_missed_until_they_are_terminated(aws: Running) -> None:
    ec2 = aws.client("ec2", REGION)
    tags = {"karpenter.sh/nodepool": "gpu", "kubernetes.io/cluster/ml-dr": "owned"}
    id = ec2.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ],
    )["Instances"][0]["InstanceId"]
    (finding,) = found()

    assert (finding.name, finding.status) == ("instances of Karpenter", Status.MISSED)
    assert finding.measured == f"1 in us-west-2: {id}"
    assert f"aws ec2 terminate-instances --instance-ids {id} --region us-west-2" in finding.hint
    ec2.terminate_instances(InstanceIds=[id])
    assert [each.status for each in found()] == [Status.MET]


def test_unattached_volume_of_a_claim_is_missed(aws: Running) -> None:
    made = aws.client("ec2", REGION).create_volume(
        AvailabilityZone=f"{REGION}a",
        Size=1,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "ebs.csi.aws.com/cluster", "Value": "true"}]}],
    )
    tags = [
        {"Key": "ebs.csi.aws.com/cluster", "Value": "true"},
        {"Key": "kubernetes.io/cluster/other", "Value": "owned"},
    ]
    aws.client("ec2", REGION).create_volume(
        AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )
    (finding,) = found()

    assert (finding.name, finding.measured) == ("volumes of claims", f"1 in us-west-2: {made['VolumeId']}")
