"""Worker fleets of a region, and the copies of their images."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.compute.worker_fleet import WorkerFleet, WorkerFleetArgs
from components.network.network import Network
from components.tagging import tags_of
from dr.errors import Problem, Refused
from dr.names import DATASETS
from dr.topology.topology import Topology
from dr.topology.workers import Fleet

COPY_FIRST = "`pulumi up -s primary` with the same dr:workers first, which copies the image"


def worker_image(of_primary: pulumi.StackReference, fleet: Fleet) -> pulumi.Output[str]:
    """Return the ID of the copy of a fleet's image, which the primary stack made.

    Args:
        of_primary: The primary stack.
        fleet: The fleet.
    """

    def copy_of(copies: Mapping[str, Mapping[str, str]] | None) -> str:
        found = (copies or {}).get(fleet.name)
        if found is None or found["source"] != fleet.image:
            fact = f"the primary stack has copied {found['source']}" if found else "the primary stack has copied none"
            remedy = COPY_FIRST + (f"; or set {found['source']}, if the primary region is lost" if found else "")
            problem = Problem(f"dr:workers.{fleet.name}.image", f"is {fleet.image}, and {fact}", remedy)
            raise pulumi.RunError(str(Refused(problem)))
        return found["copy"]

    return of_primary.get_output("worker_images").apply(copy_of)


def worker_fleets(
    topology: Topology, network: Network, images: Mapping[str, pulumi.Input[str]], key_arn: pulumi.Input[str]
) -> dict[str, WorkerFleet]:
    """Create the worker fleets of this stack's region.

    Args:
        topology: The topology to deploy.
        network: Network of the region.
        images: ID of the machine image of each fleet in this region.
        key_arn: ARN of the KMS key that encrypts data in this region.
    """
    return {
        fleet.name: WorkerFleet(
            f"workers-{fleet.name}",
            WorkerFleetArgs(
                prefix=topology.bucket_prefix,
                fleet=fleet,
                region=topology.here.region,
                vpc_id=network.vpc_id,
                private_subnet_ids=list(network.zone_subnets.values()),
                image_id=images[fleet.name],
                sizes=topology.fleet_sizes(fleet),
                on_demand=fleet.on_demand_base(topology.workload.warm_fraction),
                key_arn=key_arn,
                datasets=topology.bucket(DATASETS, topology.role),
                tags=tags_of(topology),
            ),
            # Instances that start before their route to the internet exists cannot reach Systems Manager.
            pulumi.ResourceOptions(depends_on=[network]),
        )
        for fleet in topology.fleets
    }
