"""Check for what a cluster left in AWS: instances of Karpenter, volumes of claims and load balancers of Services.

Controllers in a cluster create these, and only they delete them. After a change to a tier without a cluster they run
on, and are paid for (karpenter issue 1268; EKS user guide, "Delete a cluster").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dr.clients import calls, client
from dr.findings import Finding, Status
from dr.preflight.check import Subject

NAME = "what a cluster left"
POOL_TAG, VOLUME_TAG, BALANCER_TAG = "karpenter.sh/nodepool", "ebs.csi.aws.com/cluster", "elbv2.k8s.aws/cluster"
"""Tags of Karpenter's instances, of volumes of the EBS CSI driver, and of load balancers of the controller."""
CLUSTER_TAG = "kubernetes.io/cluster/"
"""Start of the tag with the cluster's name, which the EBS CSI driver sets with `--k8s-tag-cluster-id`."""
GONE = "terminated"


def look(subject: Subject) -> Iterator[Finding]:
    """Look for leftovers in the stack's region, if its tier has no cluster.

    Args:
        subject: The deployment to check.

    Raises:
        Failed: EC2 or Elastic Load Balancing refused the request.
        Unreachable: The region does not answer.
    """
    topology, region = subject.topology, subject.region
    cluster = topology.bucket_prefix
    if topology.tier_here.spec.cluster:
        yield Finding(NAME, Status.INFO, "not looked for: this tier has a cluster")
        return
    owned = {"Name": f"tag:{CLUSTER_TAG}{cluster}", "Values": ["owned"]}
    with calls(NAME, region):
        ec2, tags = client("ec2", region), client("resourcegroupstaggingapi", region)
        pages = ec2.get_paginator("describe_instances").paginate(
            Filters=[owned, {"Name": "tag-key", "Values": [POOL_TAG]}]
        )
        instances = [each for page in pages for group in page["Reservations"] for each in group["Instances"]]
        listed = ec2.describe_volumes(
            Filters=[{"Name": "tag-key", "Values": [VOLUME_TAG]}, {"Name": "status", "Values": ["available"]}]
        )["Volumes"]
        volumes = [each for each in listed if not _of_another(each, cluster)]
        balancers = tags.get_resources(
            ResourceTypeFilters=["elasticloadbalancing:loadbalancer"],
            TagFilters=[{"Key": BALANCER_TAG, "Values": [cluster]}],
        )["ResourceTagMappingList"]
    yield from judge(instances, volumes, balancers, region)


def _of_another(volume: Mapping[str, Any], cluster: str) -> bool:
    """Return whether a volume's tags name another cluster than this one; without such a tag it may be of either."""
    owners = {each["Key"] for each in volume.get("Tags", ()) if each["Key"].startswith(CLUSTER_TAG)}
    return bool(owners) and f"{CLUSTER_TAG}{cluster}" not in owners


def judge(
    instances: list[Mapping[str, Any]],
    volumes: list[Mapping[str, Any]],
    balancers: list[Mapping[str, Any]],
    region: str,
) -> Iterator[Finding]:
    """Judge what AWS lists. Pure.

    Args:
        instances: Instances of Karpenter.
        volumes: Volumes of claims that no instance uses.
        balancers: Load balancers of Services.
        region: The region.
    """
    running = [each["InstanceId"] for each in instances if each["State"]["Name"] != GONE]
    left = {
        "instances of Karpenter": (running, "aws ec2 terminate-instances --instance-ids"),
        "volumes of claims": ([each["VolumeId"] for each in volumes], "aws ec2 delete-volume --volume-id"),
        "load balancers of Services": (
            [each["ResourceARN"] for each in balancers],
            "aws elbv2 delete-load-balancer --load-balancer-arn",
        ),
    }
    for name, (ids, command) in left.items():
        if ids:
            fact = f"{len(ids)} in {region}: {', '.join(ids)}"
            yield Finding(name, Status.MISSED, fact, f"`{command} {ids[0]} --region {region}`, if nothing needs them")
    if not any(ids for ids, _ in left.values()):
        yield Finding(NAME, Status.MET, "no instance, volume or load balancer")
