import pytest

from dr.preflight.running_nodes import Running, kept
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier


@pytest.mark.parametrize(
    ("tier", "found", "size"),
    [
        pytest.param(Tier.WARM, None, 3, id="nothing is deployed: the floor"),
        pytest.param(Tier.WARM, Running(3, 3), 3, id="nothing was raised"),
        pytest.param(Tier.WARM, Running(3, 5), 5, id="what was raised is kept"),
        pytest.param(Tier.ACTIVE, Running(3, 5), 6, id="a higher tier goes to its floor"),
        pytest.param(Tier.ACTIVE, Running(3, 8), 8, id="a higher tier keeps what was raised above its floor"),
        pytest.param(Tier.WARM, Running(6, 6), 3, id="a lower tier takes what the higher one had"),
        pytest.param(Tier.WARM, Running(6, 8), 8, id="a lower tier leaves what was raised to the autoscaler"),
        pytest.param(Tier.PILOT, Running(3, 5), 0, id="a tier without replicas takes all"),
        pytest.param(Tier.WARM, Running(0, 4), 4, id="nodes that an operation brought up stay"),
        pytest.param(Tier.ACTIVE, Running(6, 12), 10, id="never above the most"),
    ],
)
def test_gpu_node_count_to_deploy_follows_tier_floor_and_running_nodes(
    tier: Tier, found: Running | None, size: int
) -> None:
    assert kept(capacity(Workload(), tier, 3), found) == size
