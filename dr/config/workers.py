"""Settings of worker fleets (`dr:workers`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from dr.config.types import Settings, setting, wrong
from dr.errors import Problem
from dr.topology.workers import DISK_GIB, ROOT_DEVICE, SIZE, Fleet

IMAGE = re.compile(r"ami-([0-9a-f]{8}|[0-9a-f]{17})")
DEVICE = re.compile(r"/dev/[a-z0-9]+")
INSTANCE_TYPE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")
LEAST_TYPES = 2
"""Types of a fleet with Spot instances: one type has one Spot pool in each zone, and "Best practices for Amazon EC2
Spot" of the EC2 user guide advises ten types."""
ARM = re.compile(r"(a1|t4g|[a-z]+\d+g[a-z]*)\.")
"""Families with Graviton processors: a `g` after the generation (EC2 instance types, "Naming conventions")."""


def _image(value: str) -> str:
    if not IMAGE.fullmatch(value):
        raise wrong(
            f'"{value}" is not the ID of a machine image',
            "use the ID of an image in the primary region, such as ami-0123456789abcdef0; the recovery region gets a "
            "copy",
        )
    return value


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise wrong(
            f'"{value}" is not a valid name of a fleet',
            "use 1 to 20 lower-case letters, digits and dashes, such as batch",
        )
    return value


def _device(value: str) -> str:
    if not DEVICE.fullmatch(value):
        raise wrong(f'"{value}" is not a device name', "use the RootDeviceName that EC2 describes of the image")
    return value


def _types(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise wrong("is empty", "name the instance types in order of preference, such as m6i.xlarge")
    return values


def _type(value: str) -> str:
    if not INSTANCE_TYPE.fullmatch(value):
        raise wrong(f'"{value}" is not an instance type', "use a name such as m6i.xlarge")
    return value


Image = Annotated[str, AfterValidator(_image)]
InstanceType = Annotated[str, AfterValidator(_type)]


class WorkerSettings(Settings):
    """An entry of `dr:workers`: a fleet of instances outside the cluster."""

    name: Annotated[str, AfterValidator(_name)] = setting(..., "Name of the fleet, part of the names of its resources")
    image: Image = setting(
        ...,
        "ID of the machine image in the primary region. `pulumi up -s primary` copies it to the recovery region, and "
        "`pulumi up -s dr` deploys the copy there",
    )
    instance_types: Annotated[tuple[InstanceType, ...], AfterValidator(_types)] = setting(
        ..., "Instance types in order of preference, of one processor architecture"
    )
    size: Annotated[int, Field(ge=1)] = setting(
        SIZE, "Instances of the primary region and of tier `active`; tier `warm` runs `dr:warmFraction` of them"
    )
    max_size: Annotated[int, Field(ge=1)] | None = setting(
        None, "Most instances that scaling by CPU may start", shown="twice `size`"
    )
    on_demand: Annotated[int, Field(ge=0)] | None = setting(
        None,
        "On-Demand instances; those beyond are Spot. Auto Scaling does not replace Spot capacity that lacks by "
        "On-Demand instances",
        shown="the size in tier `warm`",
    )
    disk_gib: Annotated[int, Field(ge=8, le=16_384)] = setting(DISK_GIB, "Size of the root volume", unit="GiB")
    root_device: Annotated[str, AfterValidator(_device)] = setting(
        ROOT_DEVICE,
        "Device name of the image's root volume (`RootDeviceName`), such as `/dev/sda1` in images of Ubuntu. With "
        "another name, instances would get a second volume",
    )

    @property
    def fleet(self) -> Fleet:
        """The fleet that this entry describes."""
        return Fleet(**self.model_dump())


def fleets_of(settings: Sequence[WorkerSettings]) -> tuple[Fleet, ...]:
    """Return the fleets that the entries describe."""
    return tuple(each.fleet for each in settings)


def worker_problems(settings: Sequence[WorkerSettings]) -> Iterator[Problem]:
    """Yield problems of entries that are valid separately, by key."""
    names = [each.name for each in settings]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("dr:workers", f'two entries have the name "{name}"', "give each fleet a name of its own")
    for each in settings:
        yield from _fleet_problems(f"dr:workers.{each.name}", each)


def _fleet_problems(key: str, fleet: WorkerSettings) -> Iterator[Problem]:
    if fleet.max_size is not None and fleet.max_size < fleet.size:
        yield Problem(
            f"{key}.maxSize",
            f"is {fleet.max_size}, and size is {fleet.size}: an Auto Scaling group has at least its minimum",
            f"set {fleet.size} or more, or lower size",
        )
    arm = [bool(ARM.match(each)) for each in fleet.instance_types]
    if len(set(arm)) > 1:
        one = ", ".join(each for each, is_arm in zip(fleet.instance_types, arm, strict=True) if is_arm)
        yield Problem(
            f"{key}.instanceTypes",
            f"has types of two processor architectures ({one}: arm64), and an image runs on one",
            "use types of the image's architecture",
        )
    most = fleet.max_size or 2 * fleet.size
    spot = fleet.on_demand is None or fleet.on_demand < most
    if spot and len(set(fleet.instance_types)) < LEAST_TYPES:
        yield Problem(
            f"{key}.instanceTypes",
            f"has one type, {fleet.instance_types[0]}, and Spot instances: where its capacity lacks, none starts",
            f"name {LEAST_TYPES} types or more, or set onDemand to {most}",
        )
