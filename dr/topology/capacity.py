"""Capacity of a region: replicas, nodes and vCPUs, computed from peak, tier, zones and GPU types. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from dr.errors import Problem
from dr.spelling import did_you_mean
from dr.topology.gpu_types import GPU_TYPES, GpuType
from dr.topology.tiers import PRIMARY_TIER, Floor, Tier

MIN_AVAILABLE = 4
"""Default minimum of a disruption budget, if the zones allow it (docs/requirements.md, "Zone loss")."""

SYSTEM_TYPES, SYSTEM_NODES, SYSTEM_DISK_GIB = ("m6i.large", "m7i.large"), (2, 2, 6), 50
"""Nodes without GPUs: instance types, sizes and disk. Sizes are minimum, desired and maximum. Two nodes, so that one
zone may fail; up to six during a failover."""
SYSTEM_VCPUS = 2
"""vCPUs of a system node, which all its types have."""
SURGE_IN_ZONE = 2
"""Nodes that an update of a group starts in each of its zones before it removes old ones, with the update strategy
DEFAULT, which system nodes have (EKS user guide, "Understand each phase of node updates"). GPU nodes have the strategy
MINIMAL, which starts none."""


@dataclass(frozen=True)
class Workload:
    """Inference workload.

    Args:
        peak_requests: Requests per second of all clients at the peak.
        requests_per_replica: Requests per second that one replica answers within its latency objective.
        max_replicas: Maximum number of replicas in one region (docs/requirements.md, "Inference workload").
        warm_fraction: Fraction of the peak that tier `warm` serves without scaling.
        min_available: Replicas that must remain after the loss of a zone; None computes them.
        gpu_types: Instance types of GPU nodes, in order of preference.
        gpus_per_replica: GPUs per replica.
        model_memory_gib: GPU memory per replica, in GiB.
    """

    peak_requests: float = 60.0
    requests_per_replica: float = 10.0
    max_replicas: int = 10
    warm_fraction: float = 0.5
    min_available: int | None = None
    gpu_types: tuple[str, ...] = ("g5.2xlarge", "g6.2xlarge")
    gpus_per_replica: int = 1
    model_memory_gib: float = 16.0

    @property
    def peak_replicas(self) -> int:
        """Replicas needed for the peak."""
        return ceil(self.peak_requests / self.requests_per_replica)

    @property
    def per_node(self) -> int:
        """Replicas per node; equal for all configured GPU types."""
        return GPU_TYPES[self.gpu_types[0]].gpus // self.gpus_per_replica

    @property
    def models_gib(self) -> int:
        """Disk space of one replica's models, in GiB: its GPU memory, doubled for the overhead of the file format."""
        return ceil(2 * self.model_memory_gib)

    @property
    def node_disk_gib(self) -> int:
        """Root volume of a GPU node, in GiB: container images of 10 GB and more each, and the replicas' models."""
        return max(200, 100 + self.per_node * self.models_gib)

    def share(self) -> tuple[int, int]:
        """CPU (in millicores) and memory (in GiB) available to a replica on the smallest configured GPU type.

        Replicas share three quarters of a node equally; the rest is for the kubelet, the system and DaemonSets.
        """
        kinds = [GPU_TYPES[name] for name in self.gpu_types]
        cpus, memory = min(kind.vcpus for kind in kinds), min(kind.host_gib for kind in kinds)
        return cpus * 750 // self.per_node, int(memory * 3 / 4 / self.per_node)

    def floor(self, tier: Tier, zones: int) -> int:
        """Minimum number of replicas in a region.

        Args:
            tier: Tier of the region.
            zones: Number of zones of the region.
        """
        match tier.spec.floor:
            case Floor.NONE:
                return 0
            case Floor.FRACTION:
                return max(zones, ceil(self.warm_fraction * self.peak_replicas))
            case Floor.PEAK:
                return self.peak_replicas


@dataclass(frozen=True)
class Capacity:
    """Capacity of a region.

    Args:
        replicas: The floor: minimum number of replicas.
        max_replicas: Maximum number of replicas.
        largest_zone: Replicas in the zone with the most replicas: the maximum that the loss of a zone takes.
        min_available: Minimum of the disruption budget; 0 if the floor is 0.
        zone_nodes: GPU nodes of each zone for `replicas`, in descending order.
        max_zone_nodes: GPU nodes that one zone may have: its share of `max_replicas` after the loss of another zone.
        max_nodes: GPU nodes for `max_replicas`, before and after the loss of a zone.
        per_node: Replicas per node.
        vcpus: vCPUs of `nodes` by quota code, with the largest configured GPU type.
        max_vcpus: vCPUs of `max_nodes` by quota code, with the largest configured GPU type.
    """

    replicas: int
    max_replicas: int
    largest_zone: int
    min_available: int
    zone_nodes: tuple[int, ...]
    max_zone_nodes: int
    max_nodes: int
    per_node: int
    vcpus: Mapping[str, int]
    max_vcpus: Mapping[str, int]

    @property
    def nodes(self) -> int:
        """GPU nodes for `replicas`."""
        return sum(self.zone_nodes)


def spread(replicas: int, zones: int) -> list[int]:
    """Return the number of replicas in each zone, spread with `maxSkew: 1`, in descending order."""
    return [replicas // zones + (place < replicas % zones) for place in range(zones)]


def nodes_by_zone(replicas: int, zones: int, per_node: int) -> tuple[int, ...]:
    """Return each zone's nodes for replicas spread over zones; a zone's share is rounded up to whole nodes."""
    return tuple(ceil(share / per_node) for share in spread(replicas, zones))


def capacity(workload: Workload, tier: Tier, zones: int) -> Capacity:
    """Compute the capacity of a region.

    Args:
        workload: The inference workload, for which `problems` returns none.
        tier: Tier of the region; the primary region's is `active`.
        zones: Number of zones of the region.
    """
    replicas = workload.floor(tier, zones)
    largest = spread(replicas, zones)[0]
    left = replicas - largest
    zone_nodes = nodes_by_zone(replicas, zones, workload.per_node)
    # Fewer zones may need more nodes. With 4 replicas per node, 10 replicas in 3 zones (4 + 3 + 3) need 3 nodes, in
    # 2 zones (5 + 5) they need 4. Without these nodes, a region could not return to its peak after the loss of a zone.
    most = [nodes_by_zone(workload.max_replicas, each, workload.per_node) for each in (zones, zones - 1) if each]
    max_nodes = max(sum(zone_nodes), *map(sum, most))
    promised = workload.min_available if workload.min_available is not None else max(1, min(MIN_AVAILABLE, left))
    return Capacity(
        replicas=replicas,
        max_replicas=workload.max_replicas,
        largest_zone=largest,
        min_available=min(promised, left) if replicas else 0,
        zone_nodes=zone_nodes,
        max_zone_nodes=max(each for nodes in (zone_nodes, *most) for each in nodes),
        max_nodes=max_nodes,
        per_node=workload.per_node,
        vcpus=vcpus(workload, sum(zone_nodes)),
        max_vcpus=vcpus(workload, max_nodes),
    )


def vcpus(workload: Workload, nodes: int) -> dict[str, int]:
    """Return the vCPUs of a number of nodes by quota code, if all have the largest type that counts against it."""
    largest: dict[str, int] = {}
    for name in workload.gpu_types:
        kind = GPU_TYPES[name]
        largest[kind.quota.code] = max(largest.get(kind.quota.code, 0), kind.vcpus)
    return {code: nodes * each for code, each in largest.items()}


def problems(workload: Workload, tier: Tier, zones: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Return the problems of a workload's capacity, each with its arithmetic.

    Args:
        workload: The inference workload.
        tier: The configured tier.
        zones: Names of the zones, by role: "primary", "recovery".
    """
    wrong = [*_type_problems(workload)]
    if workload.max_replicas < workload.peak_replicas:
        wrong.append(
            Problem(
                "dr:maxReplicas",
                f"{workload.max_replicas} is fewer than the {workload.peak_replicas} replicas of the peak, "
                f"{workload.peak_requests:g} / {workload.requests_per_replica:g} requests a second rounded up, which "
                "one region answers alone once the other is lost",
                f"`pulumi config set dr:maxReplicas {workload.peak_replicas}` or more",
            )
        )
    # The recovery region is checked for the tier it serves with after a failover: an error then would be too late.
    for role, region_tier in (("primary", PRIMARY_TIER), ("recovery", tier.serving_tier)):
        if names := zones.get(role):
            wrong += _zone_problems(workload, region_tier, role, len(names))
    return wrong


def _type_problems(workload: Workload) -> Iterator[Problem]:
    known = [GPU_TYPES[name] for name in workload.gpu_types if name in GPU_TYPES]
    for name in workload.gpu_types:
        if name not in GPU_TYPES:
            hint = did_you_mean(name, GPU_TYPES, f"known are {', '.join(GPU_TYPES)}")
            yield Problem("dr:gpuInstanceTypes", f'"{name}" is not an instance type with an NVIDIA GPU', hint)
    for kind in known:
        if kind.gpus < workload.gpus_per_replica:
            fact = f"{workload.gpus_per_replica} GPUs a replica, and {kind} has {kind.gpus}"
            yield Problem("dr:gpusPerReplica", fact, f"use {_that_hold(workload)}")
        elif not _fits(kind, workload):
            room = workload.gpus_per_replica * kind.gib
            yield Problem(
                "dr:modelMemoryGib",
                f"a replica needs {workload.model_memory_gib:g} GiB, and {workload.gpus_per_replica} GPU of {kind} has "
                f"{room:.4g} GiB",
                f"use {_that_hold(workload)}, or more GPUs a replica",
            )
    held = {kind.name: kind.gpus // workload.gpus_per_replica for kind in known}
    if len(set(held.values())) > 1 and all(held.values()):
        each = ", ".join(f"{name} {count}" for name, count in held.items())
        yield Problem(
            "dr:gpuInstanceTypes",
            f"the types hold different numbers of replicas a node ({each}), so that a number of nodes says nothing",
            "list types with the same number of GPUs",
        )


def _fits(kind: GpuType, workload: Workload) -> bool:
    return kind.gpus >= workload.gpus_per_replica and workload.gpus_per_replica * kind.gib >= workload.model_memory_gib


def _that_hold(workload: Workload) -> str:
    """Return the smallest GPU type of each family that holds a replica, as text."""
    fitting: dict[str, GpuType] = {}
    for kind in sorted(GPU_TYPES.values(), key=lambda each: each.vcpus):
        if _fits(kind, workload):
            fitting.setdefault(kind.name.partition(".")[0], kind)
    return ", ".join(map(str, fitting.values())) or "a smaller model: no type holds it"


def _zone_problems(workload: Workload, tier: Tier, role: str, zones: int) -> Iterator[Problem]:
    replicas = workload.floor(tier, zones)
    if not replicas:
        return
    if replicas < zones:
        yield Problem(
            "dr:peakRequests",
            f"{workload.peak_requests:g} / {workload.requests_per_replica:g} requests a second make {replicas} "
            f"replicas, and the {role} region has {zones} zones: one would have none",
            f"lower dr:requestsPerReplica until there are {zones}, or name fewer zones in dr:{role}Zones",
        )
        return
    left = replicas - spread(replicas, zones)[0]
    wanted = workload.min_available
    if wanted is not None and left < wanted:
        needed = next(number for number in range(replicas, 3 * wanted + zones) if _left(number, zones) >= wanted)
        more_zones = next((number for number in range(zones + 1, 8) if _left(replicas, number) >= wanted), None)
        ways = f"{wanted} need {needed} replicas" + (f", or {more_zones} zones" if more_zones else "")
        yield Problem(
            "dr:minAvailable",
            f"{replicas} replicas over {zones} zones of the {role} region (tier {tier}) leave {left} when the fullest "
            f"is lost; {ways}",
            f"`pulumi config set dr:minAvailable {left}`, or raise "
            + ("dr:warmFraction" if tier.spec.floor is Floor.FRACTION else "dr:peakRequests"),
        )


def _left(replicas: int, zones: int) -> int:
    return replicas - spread(replicas, zones)[0]
