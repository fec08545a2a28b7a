"""EC2 instance types with NVIDIA GPUs: GPUs, memory, vCPUs and quotas. Pure.

GPU counts, memory and vCPUs come from EC2 DescribeInstanceTypes (GpuInfo, VCpuInfo, MemoryInfo; read 2026-11).
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
        code: Quota code in Service Quotas: "L-DB2E81BA".
        name: Name of the quota.
    """

    code: str
    name: str


QUOTA_G = Quota("L-DB2E81BA", "Running On-Demand G and VT instances")
QUOTA_P = Quota("L-417A185B", "Running On-Demand P instances")
QUOTA_STANDARD = Quota("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances")


@dataclass(frozen=True)
class GpuType:
    """An instance type with GPUs.

    Args:
        name: Name of the type: "g5.2xlarge".
        gpu: Model of the GPU: "A10G".
        gpus: Number of GPUs.
        gib: Memory per GPU, in GiB.
        vcpus: Number of vCPUs, the unit of the quotas.
        quota: Quota that the type counts against.
        host_gib: Minimum memory of the instance, in GiB.
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
    """A family of instance types.

    Args:
        gpu: Model of the GPU: "A10G".
        mib: Memory per GPU, in MiB.
        quota: Quota that the types count against.
        host_gib: Minimum memory of the instance per vCPU, in GiB.
        sizes: Numbers of GPUs and vCPUs, by size.
    """

    gpu: str
    mib: int
    quota: Quota
    host_gib: float
    sizes: Mapping[str, tuple[int, int]]


USUAL = {
    **{"xlarge": (1, 4), "2xlarge": (1, 8), "4xlarge": (1, 16), "8xlarge": (1, 32), "16xlarge": (1, 64)},
    **{"12xlarge": (4, 48), "24xlarge": (4, 96), "48xlarge": (8, 192)},
}
"""Sizes that the families g5, g6 and g6e have in common: numbers of GPUs and vCPUs."""

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
"""All supported types by name. Arm types (g5g) are excluded because the node image is for x86."""
