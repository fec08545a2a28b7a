import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from dr.topology.gpu_types import GPU_TYPES


@pytest.mark.parametrize("name", GPU_TYPES)
def test_gpu_type_matches_the_description_of_ec2(name: str) -> None:
    kind, described = GPU_TYPES[name], INSTANCE_TYPES[name]
    (gpu,) = described["GpuInfo"]["Gpus"]

    assert (kind.gpu, kind.gpus, kind.gib * 1024) == (gpu["Name"], gpu["Count"], gpu["MemoryInfo"]["SizeInMiB"])
    assert kind.vcpus == described["VCpuInfo"]["DefaultVCpus"]
    assert kind.quota.code == ("L-417A185B" if name.startswith("p") else "L-DB2E81BA")
