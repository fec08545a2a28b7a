"""EC2 quotas, compared with the vCPUs that a region runs now and needs after a failover.

A low quota keeps the recovery region from scaling out after a failover, and raising it takes days (Service Quotas user
guide, "Requesting a quota increase"). A deployment is refused if a quota is below the tier's vCPUs. Each preview warns
if a quota is below the vCPUs of a failover. A quota that cannot be read is unknown, which is only a warning.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dr.clients import calls, client
from dr.errors import Failed, Invalid, Problem
from dr.topology.capacity import Capacity
from dr.topology.gpu_types import QUOTA_G, QUOTA_P, Quota

BY_CODE = {quota.code: quota for quota in (QUOTA_G, QUOTA_P)}


def check(capacity: Capacity, region: str) -> list[str]:
    """Compare a region's quotas with its capacity.

    Args:
        capacity: Capacity of the region, with the maximum it may scale to.
        region: The region.

    Returns:
        Warnings about quotas that a failover would exceed and quotas that could not be read.

    Raises:
        Invalid: A quota is below the vCPUs to deploy.
    """
    wanted = [BY_CODE[code] for code, vcpus in capacity.max_vcpus.items() if vcpus]
    with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
        found = list(pool.map(lambda quota: _value(quota, region), wanted))
    wrong, warnings = [], []
    for quota, value in zip(wanted, found, strict=True):
        now, most = capacity.vcpus[quota.code], capacity.max_vcpus[quota.code]
        named = f'quota {quota.code}, "{quota.name}", in {region}'
        if isinstance(value, Failed):
            warnings.append(f"{named}: unknown, {value.problems[0].fact}; a failover needs {most} vCPUs of it")
        elif value < now:
            wrong.append(
                Problem(
                    named,
                    f"is {value:g} vCPUs, and {capacity.nodes} nodes take {now}: {_each(capacity, now)} each",
                    f"ask for {most} with `{_request(quota, region, most)}`, which takes days; or use a lower tier",
                )
            )
        elif value < most:
            warnings.append(
                f"{named} is {value:g} vCPUs: enough for the {capacity.nodes} nodes of this tier, but a failover to "
                f"{capacity.max_nodes} nodes takes {most}; ask for them with `{_request(quota, region, most)}`"
            )
    if wrong:
        raise Invalid(*wrong)
    return warnings


def _value(quota: Quota, region: str) -> float | Failed:
    try:
        with calls(f"quota {quota.code}", region):
            answer = client("service-quotas", region).get_service_quota(ServiceCode="ec2", QuotaCode=quota.code)
            return float(answer["Quota"]["Value"])
    except Failed as error:
        return error


def _each(capacity: Capacity, vcpus: int) -> str:
    return f"{vcpus // capacity.nodes}" if capacity.nodes else "0"


def _request(quota: Quota, region: str, vcpus: int) -> str:
    return (
        "aws service-quotas request-service-quota-increase --service-code ec2 "
        f"--quota-code {quota.code} --desired-value {vcpus} --region {region}"
    )
