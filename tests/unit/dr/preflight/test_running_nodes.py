import pytest

from dr.preflight.running_nodes import DesiredNodes, RunningNodes, Size, kept
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier

ZONES = ("us-west-2a", "us-west-2b", "us-west-2c")


@pytest.mark.parametrize(
    ("tier", "found", "size"),
    [
        pytest.param(Tier.WARM, None, 1, id="nothing is deployed: the floor"),
        pytest.param(Tier.WARM, Size(1, 1), 1, id="nothing was raised"),
        pytest.param(Tier.WARM, Size(1, 3), 3, id="what was raised is kept"),
        pytest.param(Tier.ACTIVE, Size(1, 2), 2, id="a higher tier goes to its floor"),
        pytest.param(Tier.ACTIVE, Size(1, 4), 4, id="a higher tier keeps what was raised above its floor"),
        pytest.param(Tier.WARM, Size(2, 2), 1, id="a lower tier takes what the higher one had"),
        pytest.param(Tier.WARM, Size(2, 4), 4, id="a lower tier leaves what was raised to the autoscaler"),
        pytest.param(Tier.PILOT, Size(1, 3), 0, id="a tier without replicas takes all"),
        pytest.param(Tier.WARM, Size(0, 4), 4, id="nodes that an operation brought up stay"),
        pytest.param(Tier.ACTIVE, Size(2, 9), 5, id="never above the most"),
    ],
)
def test_gpu_nodes_of_a_zone_follow_tier_floor_and_running_nodes(tier: Tier, found: Size | None, size: int) -> None:
    running = RunningNodes({ZONES[0]: found} if found else {})
    floor = capacity(Workload(), tier, 3).zone_nodes[1]

    assert kept(capacity(Workload(), tier, 3), ZONES, running).gpu == {ZONES[0]: size, ZONES[1]: floor, ZONES[2]: floor}


@pytest.mark.parametrize("tier", [Tier.PILOT, Tier.ACTIVE])
@pytest.mark.parametrize(("found", "size"), [(None, 2), (Size(2, 2), 2), (Size(2, 5), 5), (Size(2, 9), 6)])
def test_system_nodes_that_the_autoscaler_added_are_kept_in_every_tier(
    tier: Tier, found: Size | None, size: int
) -> None:
    desired = kept(capacity(Workload(), tier, 3), ZONES, RunningNodes(system=found))

    assert desired == DesiredNodes(desired.gpu, size)
