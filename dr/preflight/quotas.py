"""EC2 quotas, compared with the vCPUs that a region runs now and needs after a failover.

A low quota keeps the recovery region from scaling out after a failover, and raising it takes days (Service Quotas user
guide, "Requesting a quota increase"). A deployment is refused if a quota is below the tier's vCPUs. Each preview warns
if a quota is below the vCPUs of a failover. A quota that cannot be read is unknown, which is only a warning.

An update of nodes counts too: system nodes have up to two more in each zone meanwhile, GPU nodes none.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dr.clients import calls, client
from dr.errors import Failed, Invalid, Problem
from dr.topology.capacity import SURGE_IN_ZONE, SYSTEM_NODES, SYSTEM_VCPUS, Capacity
from dr.topology.gpu_types import QUOTA_G, QUOTA_P, QUOTA_STANDARD, Quota

BY_CODE = {quota.code: quota for quota in (QUOTA_G, QUOTA_P)}


@dataclass(frozen=True)
class Need:
    """vCPUs that a region needs of a quota.

    Args:
        quota: The quota.
        now: vCPUs of this tier.
        most: vCPUs of a failover.
        running: What takes `now`, with its arithmetic: "3 nodes take 24: 8 each".
        tier: What runs in this tier: "the 3 nodes of this tier".
        failover: What takes `most`: "a failover to 10 nodes takes 80".
    """

    quota: Quota
    now: int
    most: int
    running: str
    tier: str
    failover: str


def needs(capacity: Capacity, system_zones: int = 0) -> Iterator[Need]:
    """Yield what a region needs of each quota. Pure.

    Args:
        capacity: Capacity of the region, with the maximum it may scale to.
        system_zones: Zones of the system node group; 0 if the region has none of its own.
    """
    for code, most in capacity.max_vcpus.items():
        if most:
            now = capacity.vcpus[code]
            running = f"{capacity.nodes} nodes take {now}: {now // capacity.nodes if capacity.nodes else 0} each"
            failover = f"a failover to {capacity.max_nodes} nodes takes {most}"
            yield Need(BY_CODE[code], now, most, running, f"the {capacity.nodes} nodes of this tier", failover)
    if system_zones:
        least, _, largest = SYSTEM_NODES
        surge = SURGE_IN_ZONE * system_zones
        now, most = (least + surge) * SYSTEM_VCPUS, (largest + surge) * SYSTEM_VCPUS
        running = f"{least} system nodes and the {surge} that an update adds take {now}: {SYSTEM_VCPUS} each"
        failover = f"a failover to {largest} system nodes, with the {surge} that an update adds, takes {most}"
        yield Need(QUOTA_STANDARD, now, most, running, f"{least} system nodes and an update of them", failover)


def check(capacity: Capacity, region: str, system_zones: int = 0) -> list[str]:
    """Compare a region's quotas with its needs.

    Args:
        capacity: Capacity of the region, with the maximum it may scale to.
        region: The region.
        system_zones: Zones of the system node group; 0 if the region has none of its own.

    Returns:
        Warnings about quotas that a failover would exceed and quotas that could not be read.

    Raises:
        Invalid: A quota is below the vCPUs to deploy.
    """
    wanted = list(needs(capacity, system_zones))
    with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
        found = list(pool.map(lambda need: value_of(need.quota, region), wanted))
    wrong, warnings = [], []
    for need, value in zip(wanted, found, strict=True):
        named = f'quota {need.quota.code}, "{need.quota.name}", in {region}'
        request = request_for(need.quota, region, need.most)
        if isinstance(value, Failed):
            warnings.append(f"{named}: unknown, {value.problems[0].fact}; a failover needs {need.most} vCPUs of it")
        elif value < need.now:
            remedy = f"ask for {need.most} with `{request}`, which takes days; or use a lower tier"
            wrong.append(Problem(named, f"is {value:g} vCPUs, and {need.running}", remedy))
        elif value < need.most:
            warnings.append(
                f"{named} is {value:g} vCPUs: enough for {need.tier}, but {need.failover}; ask for them with "
                f"`{request}`"
            )
    if wrong:
        raise Invalid(*wrong)
    return warnings


def value_of(quota: Quota, region: str) -> float | Failed:
    """Return the value of a quota in vCPUs, or why it is unknown."""
    try:
        with calls(f"quota {quota.code}", region):
            answer = client("service-quotas", region).get_service_quota(ServiceCode="ec2", QuotaCode=quota.code)
            return float(answer["Quota"]["Value"])
    except Failed as error:
        return error


def request_for(quota: Quota, region: str, vcpus: int) -> str:
    """Return the command that requests a higher quota. Pure."""
    return (
        "aws service-quotas request-service-quota-increase --service-code ec2 "
        f"--quota-code {quota.code} --desired-value {vcpus} --region {region}"
    )
