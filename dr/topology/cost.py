"""Monthly cost of a stack, modelled: quantities from the topology times list prices. Pure.

Nothing here is read from a bill. Charges that depend on traffic (load balancer capacity units, NAT data, requests,
logs, function runs) are left out; `data_cost` models storage and replication for a stated volume of data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dr.topology import capacity, network
from dr.topology.backups import DataClass
from dr.topology.prices import PRICES
from dr.topology.tiers import Nat
from dr.topology.topology import Role, Topology
from dr.topology.workers import Fleet

SYSTEM_NODE, SYSTEM_NODES, SYSTEM_DISK_GIB = (
    capacity.SYSTEM_TYPES[0],
    capacity.SYSTEM_NODES[1],
    capacity.SYSTEM_DISK_GIB,
)
ENDPOINT_SERVICES = len(network.ENDPOINTS)
REPLICATION_ALARMS, PRIMARY_ALARMS = 3, 3
"""Alarms of each bucket pair in the primary stack, and its other ones: heartbeat, dead letters and certificate."""
RECOVERY_ALARMS, WITNESSES = 12, 2
"""Alarms of the dr stack without automation and without a database's replica, and those with periods below a minute in
addition."""
CUSTOM_METRICS = 10
"""Series that the prober (8) and the lever republisher (2) publish."""


@dataclass(frozen=True)
class Line:
    """One item of a stack's monthly cost.

    Args:
        item: Key of `PRICES`.
        quantity: Units that are there all month; for storage, GB.
    """

    item: str
    quantity: float

    @property
    def usd(self) -> float | None:
        """US dollars a month; None while the item has no sourced price."""
        price = PRICES.get(self.item)
        return price.monthly * self.quantity if price else None


def total(lines: list[Line]) -> float | None:
    """Sum of all lines in US dollars a month; None if one of them is unknown."""
    known = [line.usd for line in lines if line.usd is not None]
    return sum(known) if len(known) == len(lines) else None


def stack_cost(topology: Topology) -> list[Line]:
    """Return what a stack's resources cost a month while they only stand by or serve, without charges by usage."""
    lines = [*_always(topology), *_network(topology), *_database(topology)]
    if topology.tier_here.spec.cluster:
        lines += _cluster(topology)
    for fleet in topology.fleets:
        lines += _fleet(topology, fleet)
    return [line for line in lines if line.quantity]


def data_cost(topology: Topology, stored_gb: float, written_gb: float) -> list[Line]:
    """Return what data costs a month in both regions: both buckets of each pair, replication and backups.

    Args:
        topology: The recovery stack's topology, in normal operation: replicas are not backed up.
        stored_gb: Data in the primary region's buckets, all versions, in GB.
        written_gb: Data written there in a month, in GB.
    """
    isolated = topology.air_gap is not None and DataClass.OBJECTS in topology.air_gap.classes
    return [
        Line("S3 Standard", 2 * stored_gb),
        Line("transfer to another region", (3 if isolated else 2) * written_gb),
        Line("S3 Replication Time Control", written_gb),
        Line("AWS Backup of S3", 2 * stored_gb),
        # AWS charges storage in such a vault at a price of its own, for which no source was found.
        *([Line("AWS Backup of S3, air-gapped", stored_gb)] if isolated else ()),
    ]


def backfill_cost(objects: int, gb: float) -> list[Line]:
    """Return what a job of S3 Batch Replication costs once.

    The generation of its manifest is not included: about $0.015 for a million objects of the source bucket (S3 price
    list, BatchOperations-Manifest, second-hand).

    Args:
        objects: Object versions that it copies.
        gb: Their size in GB.
    """
    return [
        Line("S3 Batch Operations job", 1),
        Line("S3 Batch Operations objects", objects / 1e6),
        Line("S3 PUT requests", objects / 1e6),
        Line("transfer to another region", gb),
    ]


def _always(topology: Topology) -> Iterator[Line]:
    """Yield what exists in every tier."""
    primary = topology.role is Role.PRIMARY
    yield Line("KMS key", 3 if primary else 1)
    yield Line("hosted zone", 1 if primary and not topology.dns.zone_id else 0)
    yield from _health_checks(topology)
    spec = topology.tier_here.spec
    # An alarm is billed by the metrics it reads: each zone has one on busy nodes, and one on missing nodes, of two.
    lever, of_group = 1, 3 * len(topology.here.zones) if spec.cluster else 0
    watchdog = spec.cluster and not topology.existing_cluster
    replicated = not primary and topology.database_instances is not None
    of_pairs = REPLICATION_ALARMS * len(topology.pairs) + PRIMARY_ALARMS
    of_stack = of_pairs if primary else RECOVERY_ALARMS + topology.automates + replicated
    yield Line("metric alarm", lever + of_group + of_stack + watchdog)
    if not primary:
        yield Line("high-resolution alarm", WITNESSES)
        yield Line("composite alarm", 2)
        yield Line("custom metric", CUSTOM_METRICS)


def _health_checks(topology: Topology) -> Iterator[Line]:
    """Yield the endpoint's check with its options (HTTPS, and 10 s), the lever's and the calculated one."""
    of = "other endpoint" if topology.here.endpoint else "AWS endpoint"
    options = 1 + (topology.dns.check_interval == 10)
    yield Line(f"health check, {of}", 1)
    yield Line(f"health check option, {of}", options)
    yield Line("health check, AWS endpoint", 2)


def _network(topology: Topology) -> Iterator[Line]:
    """Yield the load balancer, NAT gateways, their public addresses and interface endpoints."""
    zones = len(topology.here.zones)
    nat = 0 if topology.existing_vpc else {Nat.NONE: 0, Nat.ONE: 1, Nat.ZONE: zones}[topology.nat_here]
    yield Line("network load balancer", 1)
    yield Line("NAT gateway", nat)
    yield Line("public IPv4 address", zones + nat)
    yield Line("interface endpoint, one zone", ENDPOINT_SERVICES * zones if topology.private_endpoints_here else 0)


def _fleet(topology: Topology, fleet: Fleet) -> Iterator[Line]:
    """Yield a fleet's instances at its minimum size, as On-Demand instances of its first type, and its two alarms.

    Spot instances cost less, at a price that changes. The snapshots of image copies cost by their size, which is not
    known here: `image_copy_cost`.
    """
    least = topology.fleet_sizes(fleet).least
    yield Line(f"EC2 {fleet.instance_types[0]}", least)
    yield Line("gp3 volume", least * fleet.disk_gib)
    yield Line("metric alarm", 2)


def image_copy_cost(gb: float) -> list[Line]:
    """Return what the copy of a machine image costs: its snapshot a month, and once the transfer.

    Args:
        gb: Data of the image's snapshots, in GB.
    """
    return [Line("EBS snapshot", gb), Line("transfer to another region", gb)]


def _database(topology: Topology) -> Iterator[Line]:
    """Yield the instances of the region's database cluster, and the login with its replica; storage is left out."""
    if topology.database is None:
        return
    yield Line(f"Aurora {topology.database.instance_class}", topology.database_instances or 0)
    yield Line("secret", 2 if topology.role is Role.PRIMARY else 0)


def _cluster(topology: Topology) -> Iterator[Line]:
    """Yield the control plane, system nodes and GPU nodes at the tier's floor, reserved capacity included."""
    if not topology.existing_cluster:
        yield Line("EKS control plane", 1)
        yield Line(f"EC2 {SYSTEM_NODE}", SYSTEM_NODES)
        yield Line("gp3 volume", SYSTEM_NODES * SYSTEM_DISK_GIB)
    nodes = topology.capacity_here.nodes
    yield Line(f"EC2 {topology.workload.gpu_types[0]}", max(nodes, topology.reserved_gpu_nodes))
    yield Line("gp3 volume", nodes * topology.workload.node_disk_gib)
