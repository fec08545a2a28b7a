"""Preflight of a deployment: runs all lookups and guards in parallel, before the first resource is declared.

Resources declared before a failing check would still be created. The part of the program that declares resources
therefore contains no check. All problems are reported at once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from dr.control import control_bucket
from dr.control.contract import Half
from dr.control.incident_state import IncidentState
from dr.errors import Problems
from dr.preflight import (
    existing_cluster,
    existing_vpc,
    guards,
    health_checkers,
    own_cluster,
    published_set,
    quotas,
    registry_rules,
    running_nodes,
    supply,
)
from dr.preflight.existing_cluster import ExistingCluster
from dr.preflight.existing_vpc import ExistingVpc
from dr.preflight.own_cluster import OwnCluster
from dr.preflight.running_nodes import DesiredNodes, RunningNodes
from dr.supply.mirror import Mirror
from dr.topology.topology import Role, Topology


@dataclass(frozen=True)
class Found:
    """Facts of AWS that a deployment depends on.

    Args:
        nodes: Desired sizes of the node groups: the nodes running now, within the limits of the tier.
        checkers: ID of the prefix list of Route 53's health checkers.
        vpc: The existing VPC; None if the configuration names none.
        cluster: The existing cluster; None if the configuration names none.
        own: What the deployment keeps of the cluster that this stack created.
        published: Whether the region has the model set to serve, or serves none.
        mirror: The region's registry, of which charts and images are used; None: those of their publishers.
        replicates_images: Whether this stack sets the replication rules of its region's registry.
        warnings: Problems for which the deployment is not refused.
    """

    nodes: DesiredNodes
    checkers: str
    vpc: ExistingVpc | None = None
    cluster: ExistingCluster | None = None
    own: OwnCluster = field(default_factory=OwnCluster)
    published: bool = True
    mirror: Mirror | None = None
    replicates_images: bool = True
    warnings: tuple[str, ...] = ()


def read_deployed(topology: Topology) -> tuple[Half | None, IncidentState]:
    """Return this stack's half of the contract, None before its first deployment, and the incident state.

    Of the incident state, the primary stack knows the levers only: whether clients use the recovery region.

    Args:
        topology: The topology to deploy.

    Raises:
        Refused: The primary stack, which creates the control buckets, is not deployed.
        Invalid: A document of the control bucket is not valid.
        Unreachable: The region does not answer.
    """
    if topology.role is Role.PRIMARY:
        return control_bucket.read_own_half(topology), IncidentState(levers=control_bucket.read_levers(topology))
    control = control_bucket.read_control(topology, Role.RECOVERY)
    return control.halves.get(Role.RECOVERY), control.state


def check(
    topology: Topology, deployed: Half | None, day: IncidentState, problems: Problems, folder: Path = Path()
) -> Found:
    """Run the lookups and guards of this stack's region.

    Args:
        topology: The topology to deploy, with the activation of an incident.
        deployed: This stack's half of the contract; None before its first deployment.
        day: The incident state.
        problems: Collects the problems of all checks; the caller raises them.
        folder: The folder of Pulumi.yaml.
    """
    here, capacity, prefix = topology.here, topology.capacity_here, topology.bucket_prefix
    vpc_id, cluster_name = topology.existing_vpc, topology.existing_cluster
    with problems.collect():
        guards.same_network(topology, deployed)
    with ThreadPoolExecutor(max_workers=10) as pool:
        tier = pool.submit(guards.tier, topology, deployed.tier if deployed else None, day)
        quota = pool.submit(quotas.check, capacity, here.region, topology.system_zones)
        vpc = pool.submit(existing_vpc.find, vpc_id, here) if vpc_id else None
        cluster = pool.submit(existing_cluster.find, cluster_name, vpc_id, here) if cluster_name and vpc_id else None
        own = pool.submit(own_cluster.find, topology)
        published = pool.submit(published_set.find, topology)
        rules = pool.submit(registry_rules.find, topology)
        supplied = pool.submit(supply.find, topology, folder, Path.cwd())
        checkers = pool.submit(health_checkers.find, here.region)
        nodes, warnings = running_nodes.kept(capacity, here.zones, RunningNodes()), list[str]()
        if topology.tier_here.spec.cluster:
            nodes, warnings = running_nodes.wanted(capacity, here.zones, cluster_name or prefix, prefix, here.region)
    found_checkers, found_vpc, found_cluster, found_own, holds_set = "", None, None, OwnCluster(), True
    mirror, replicates = None, True
    with problems.collect():
        found_checkers = checkers.result()
    with problems.collect():
        tier.result()
    with problems.collect():
        warnings += quota.result()
    with problems.collect():
        found_vpc = vpc.result() if vpc else None
    with problems.collect():
        found_cluster = cluster.result() if cluster else None
    with problems.collect():
        found_own = own.result()
        warnings += found_own.warnings
    with problems.collect():
        holds_set, more = published.result()
        warnings += more
    with problems.collect():
        mirror = supplied.result()
    with problems.collect():
        replicates, more = rules.result()
        warnings += more
    return Found(
        nodes, found_checkers, found_vpc, found_cluster, found_own, holds_set, mirror, replicates, tuple(warnings)
    )
