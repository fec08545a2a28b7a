"""GPU instance types: what each holds. Pure.

Counts, memory and vCPUs are what EC2's DescribeInstanceTypes answers (GpuInfo, VCpuInfo, MemoryInfo; read 2026-11).
Quotas are per region and in vCPUs (EC2 user guide, "On-Demand Instance limits").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Quota:
    """A service quota of EC2.

    Args:
        code: As Service Quotas names it: "L-DB2E81BA".
        name: What it limits.
    """

    code: str
    name: str


QUOTA_G = Quota("L-DB2E81BA", "Running On-Demand G and VT instances")
QUOTA_P = Quota("L-417A185B", "Running On-Demand P instances")


@dataclass(frozen=True)
class GpuType:
    """An instance type with GPUs.

    Args:
        name: "g5.2xlarge".
        gpu: The GPU's model: "A10G".
        gpus: How many it has.
        gib: Memory of each, in GiB.
        vcpus: Virtual CPUs: what quotas count.
        quota: The quota it counts against.
        host_gib: Memory of the instance itself, in GiB, at least.
    """

    name: str
    gpu: str
    gpus: int
    gib: float
    vcpus: int
    quota: Quota
    host_gib: float

    def __str__(self) -> str:
        return f"{self.name} ({self.gpus} x {self.gpu} of {self.gib:.4g} GiB)"


@dataclass(frozen=True)
class Family:
    """Types of one family, by size to the number of GPUs and of vCPUs; `host_gib` is memory a vCPU, at least."""

    gpu: str
    mib: int
    quota: Quota
    host_gib: float
    sizes: Mapping[str, tuple[int, int]]


USUAL = {
    **{"xlarge": (1, 4), "2xlarge": (1, 8), "4xlarge": (1, 16), "8xlarge": (1, 32), "16xlarge": (1, 64)},
    **{"12xlarge": (4, 48), "24xlarge": (4, 96), "48xlarge": (8, 192)},
}
"""Sizes of the families of this decade."""

FAMILIES = {
    "g4dn": Family(
        "T4",
        16_384,
        QUOTA_G,
        4.0,
        {
            **{"xlarge": (1, 4), "2xlarge": (1, 8), "4xlarge": (1, 16), "8xlarge": (1, 32), "16xlarge": (1, 64)},
            **{"12xlarge": (4, 48), "metal": (8, 96)},
        },
    ),
    "g5": Family("A10G", 22_888, QUOTA_G, 4.0, USUAL),
    "g6": Family("L4", 22_888, QUOTA_G, 4.0, USUAL),
    "g6e": Family("L40S", 45_776, QUOTA_G, 8.0, USUAL),
    "p4d": Family("A100", 40_960, QUOTA_P, 12.0, {"24xlarge": (8, 96)}),
    "p4de": Family("A100", 81_920, QUOTA_P, 12.0, {"24xlarge": (8, 96)}),
    "p5": Family("H100", 81_920, QUOTA_P, 2048 / 192, {"4xlarge": (1, 16), "48xlarge": (8, 192)}),
    "p5e": Family("H200", 144_384, QUOTA_P, 2048 / 192, {"48xlarge": (8, 192)}),
    "p5en": Family("H200", 144_384, QUOTA_P, 2048 / 192, {"48xlarge": (8, 192)}),
}

GPU_TYPES = {
    f"{family}.{size}": GpuType(
        f"{family}.{size}", of.gpu, gpus, of.mib / MIB_PER_GIB, vcpus, of.quota, vcpus * of.host_gib
    )
    for family, of in FAMILIES.items()
    for size, (gpus, vcpus) in of.sizes.items()
}
"""Every type by its name. Arm types (g5g) are left out: the node image is for x86."""
