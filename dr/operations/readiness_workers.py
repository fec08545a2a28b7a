"""Readiness checks of worker fleets: the copy of the image, and the instances of the tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dr.clients import calls, client
from dr.findings import Finding, Status
from dr.operations.inspected import Inspected
from dr.operations.worker_steps import WorkerGroup, wanted_sizes, worker_groups
from dr.topology.tiers import highest
from dr.topology.workers import Fleet

NAME = "worker fleets"


def look(inspected: Inspected) -> Iterator[Finding]:
    """Check each fleet in the recovery region: its group starts instances of the present image's copy."""
    scene, region = inspected.scene, inspected.region
    if not scene.topology.fleets:
        return
    groups = {group.fleet: group for group in worker_groups(scene)}
    images = _images(region, list(groups.values()))
    wanted = wanted_sizes(scene, highest(scene.tier, scene.state().activation))
    for fleet in scene.topology.fleets:
        group = groups[fleet.name]
        yield judge_image(fleet, images.get(fleet.name), region)
        yield judge_size(group, wanted[fleet.name].least, region)


def _images(region: str, groups: list[WorkerGroup]) -> dict[str, Mapping[str, Any]]:
    """Return the image that each fleet's group starts; a fleet is missing if its image does not exist."""
    found: dict[str, Mapping[str, Any]] = {}
    with calls("images of workers", region):
        ec2 = client("ec2", region)
        for group in groups:
            versions = ec2.describe_launch_template_versions(LaunchTemplateId=group.template, Versions=[group.version])[
                "LaunchTemplateVersions"
            ]
            image = versions[0]["LaunchTemplateData"]["ImageId"]
            # A filter, because DescribeImages fails for an ID that does not exist.
            listed = ec2.describe_images(Filters=[{"Name": "image-id", "Values": [image]}])["Images"]
            if listed:
                found[group.fleet] = listed[0]
    return found


def judge_image(fleet: Fleet, image: Mapping[str, Any] | None, region: str) -> Finding:
    """Judge the image that a fleet starts in the recovery region. Pure.

    Args:
        fleet: The fleet.
        image: The image of its launch template, as EC2 describes it; None if it does not exist.
        region: The recovery region.
    """
    name, objective = f"image of workers {fleet.name} in {region}", f"an available copy of {fleet.image}"
    if image is None:
        fact = "does not exist: no instance would start"
        return Finding(name, Status.MISSED, fact, "`pulumi up` of the primary stack, then of this one", objective)
    if image["State"] != "available":
        fact = f"{image['ImageId']} is {image['State']}"
        return Finding(name, Status.MISSED, fact, "copy it again: `pulumi up -s primary`", objective)
    source = image.get("SourceImageId")
    if source is None:
        hint = "EC2 records the source of copies since 2024; copy the image again"
        return Finding(name, Status.UNKNOWN, f"{image['ImageId']} has no recorded source", hint, objective)
    if source != fleet.image:
        hint = "`pulumi up` of the primary stack copies the image, then of this one deploys it"
        return Finding(name, Status.MISSED, f"{image['ImageId']} is a copy of {source}", hint, objective)
    return Finding(name, Status.MET, f"{image['ImageId']}, copied {image['CreationDate'][:10]}", "", objective)


def judge_size(group: WorkerGroup, wanted: int, region: str) -> Finding:
    """Judge the instances of a fleet. Pure.

    Args:
        group: The fleet's Auto Scaling group.
        wanted: Instances of the tier.
        region: The recovery region.
    """
    name, objective = f"workers {group.fleet} in {region}", f"at least {wanted} in service"
    fact = f"{group.in_service} of {group.desired} in service"
    if group.sizes.least < wanted:
        return Finding(name, Status.MISSED, f"minimum size {group.sizes.least}", "`pulumi up` sets it", objective)
    if group.in_service < wanted:
        return Finding(name, Status.MISSED, fact, "activities of the Auto Scaling group name the cause", objective)
    return Finding(name, Status.MET, fact, "", objective)
