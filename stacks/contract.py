"""This stack's half of the contract, written to the control bucket of its own region."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_aws import s3

from components.traffic.route53_failover import Route53Failover
from dr.control import contract
from dr.topology.topology import Topology
from stacks.region import Region


def write_contract(
    topology: Topology,
    here: Region,
    failover: Route53Failover,
    bucket: pulumi.Input[str],
    database: pulumi.Input[dict[str, Any]] | None = None,
) -> pulumi.Output[dict[str, Any]]:
    """Write this stack's half of the contract and return it.

    Args:
        topology: The topology to deploy.
        here: Components of the region.
        failover: DNS record of the region.
        bucket: Name of the region's control bucket.
        database: The region's part of the global database; None without one.
    """
    half: pulumi.Output[dict[str, Any]] = pulumi.Output.all(failover.record, here.cluster.record, database).apply(
        lambda known: contract.document(topology, pulumi.get_stack(), *known)
    )
    s3.BucketObjectv2(
        "contract",
        bucket=bucket,
        key=contract.key_of(topology.role),
        content=pulumi.Output.json_dumps(half, indent=2),
        content_type="application/json",
        region=topology.here.region,
    )
    return half
