import pytest

from components.compute.node_groups import PLAIN_IMAGE, NodeGroupsArgs, Placement


@pytest.mark.parametrize("sizes", [(1, 0, 2), (0, 3, 2), (0, 0, 0), (-1, 0, 1)])
def test_sizes_that_eks_rejects_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(
        ValueError, match=r"node group gpu-a has sizes .*EKS requires 0 <= minimum <= desired <= maximum"
    ):
        NodeGroupsArgs(
            "gpu", "ml-dr", "us-west-2", "role", {"a": Placement(["subnet"], sizes)}, ["g5.2xlarge"], PLAIN_IMAGE, 100
        )
