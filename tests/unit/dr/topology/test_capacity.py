from dataclasses import replace

import pytest

from dr.topology.capacity import Workload, capacity, nodes_by_zone, problems, spread
from dr.topology.tiers import Tier

GOOD = Workload()
ZONES = {"primary": ["a", "b", "c"], "recovery": ["a", "b", "c"]}


def said(tier: Tier = Tier.PILOT, zones: dict[str, list[str]] | None = None, **changes: object) -> str:
    return "\n".join(map(str, problems(replace(GOOD, **changes), tier, zones or ZONES)))  # type: ignore[arg-type]


@pytest.mark.parametrize("tier", list(Tier))
def test_example_workload_is_valid_in_every_tier(tier: Tier) -> None:
    assert problems(GOOD, tier, ZONES) == []


@pytest.mark.parametrize(
    ("tier", "replicas", "nodes", "min_available"),
    [(Tier.BACKUP, 0, 0, 0), (Tier.PILOT, 0, 0, 0), (Tier.WARM, 3, 3, 2), (Tier.ACTIVE, 6, 6, 4)],
)
def test_a_tier_runs_its_floor_and_may_grow_to_the_same_size(
    tier: Tier, replicas: int, nodes: int, min_available: int
) -> None:
    made = capacity(GOOD, tier, 3)

    assert (made.replicas, made.nodes, made.min_available) == (replicas, nodes, min_available)
    assert made.max_nodes == 10
    assert made.max_vcpus == {"L-DB2E81BA": 80}


@pytest.mark.parametrize("zones", [2, 3, 4])
@pytest.mark.parametrize("replicas", range(2, 25))
def test_loss_of_any_zone_leaves_the_minimum_available_replicas(replicas: int, zones: int) -> None:
    if replicas < zones:
        return
    made = capacity(replace(GOOD, peak_requests=10.0 * replicas, max_replicas=30), Tier.ACTIVE, zones)
    shares = spread(replicas, zones)

    assert sum(shares) == replicas
    assert max(shares) - min(shares) <= 1
    assert all(replicas - lost >= made.min_available for lost in shares)
    assert 1 <= made.min_available <= 4


def test_warm_region_has_at_least_one_replica_per_zone() -> None:
    assert capacity(replace(GOOD, warm_fraction=0.1), Tier.WARM, 3).replicas == 3


def test_node_count_is_rounded_up_in_each_zone() -> None:
    # 4 + 3 + 3 replicas, four per node: one node in each zone, which is not 10 / 4 rounded up.
    assert nodes_by_zone(10, 3, 4) == (1, 1, 1)
    assert nodes_by_zone(13, 3, 4) == (2, 1, 1)
    big = replace(GOOD, gpu_types=("g5.12xlarge",))
    assert (big.per_node, capacity(big, Tier.ACTIVE, 3).nodes) == (4, 3)


def test_a_zones_maximum_holds_its_share_after_the_loss_of_another_zone() -> None:
    made = capacity(replace(GOOD, max_replicas=10), Tier.WARM, 3)

    assert (made.zone_nodes, made.max_zone_nodes, made.max_nodes) == ((1, 1, 1), 5, 10)
    assert capacity(replace(GOOD, max_replicas=11), Tier.PILOT, 2).max_zone_nodes == 11


def test_vcpus_are_summed_by_quota_for_the_largest_instance_type() -> None:
    both = replace(GOOD, gpu_types=("g5.xlarge", "g6.4xlarge", "p5.4xlarge"))

    assert capacity(both, Tier.ACTIVE, 3).vcpus == {"L-DB2E81BA": 6 * 16, "L-417A185B": 6 * 16}


def test_an_unknown_gpu_type_is_refused_with_the_nearest() -> None:
    text = said(gpu_types=("g5.2xlrage",))

    assert 'dr:gpuInstanceTypes: "g5.2xlrage" is not an instance type with an NVIDIA GPU' in text
    assert 'did you mean "g5.2xlarge"?' in text


def test_model_larger_than_gpu_memory_is_refused_with_sufficient_instance_types() -> None:
    text = said(model_memory_gib=40.0)

    assert "a replica needs 40 GiB, and 1 GPU of g5.2xlarge (1 x A10G of 22.35 GiB) has 22.35 GiB" in text
    assert "g6e.xlarge (1 x L40S of 44.7 GiB)" in text
    assert "g5.2xlarge (" not in text.partition("->")[2].partition("\n")[0]


def test_model_larger_than_every_instance_type_is_reported() -> None:
    assert "no type holds it" in said(model_memory_gib=5_000.0)


def test_more_gpus_per_replica_than_the_instance_type_has_are_refused() -> None:
    assert "2 GPUs a replica, and g5.2xlarge (1 x A10G of 22.35 GiB) has 1" in said(gpus_per_replica=2)


def test_fallback_types_with_different_replicas_per_node_are_refused() -> None:
    text = said(gpu_types=("g5.2xlarge", "g5.12xlarge"))

    assert "different numbers of replicas a node (g5.2xlarge 1, g5.12xlarge 4)" in text


def test_max_replicas_below_the_peak_are_refused_with_the_calculation() -> None:
    text = said(peak_requests=150.0)

    assert "dr:maxReplicas: 10 is fewer than the 15 replicas of the peak, 150 / 10 requests" in text


def test_fewer_replicas_than_zones_are_refused() -> None:
    assert "make 2 replicas, and the primary region has 3 zones" in said(peak_requests=20.0)


def test_min_available_beyond_two_zones_is_refused_with_the_calculation() -> None:
    text = said(Tier.ACTIVE, {"primary": ["a", "b"], "recovery": ["a", "b", "c"]}, min_available=4)

    assert "6 replicas over 2 zones of the primary region (tier active) leave 3 when the fullest is lost" in text
    assert "4 need 8 replicas, or 3 zones" in text
    assert "recovery" not in text


def test_min_available_beyond_the_warm_floor_names_the_recovery_region() -> None:
    assert said(Tier.ACTIVE, min_available=4) == ""
    text = said(Tier.WARM, min_available=4)

    assert "3 replicas over 3 zones of the recovery region (tier warm) leave 2" in text
    assert "raise dr:warmFraction" in text


@pytest.mark.parametrize("tier", [Tier.BACKUP, Tier.PILOT])
def test_min_available_beyond_the_warm_floor_is_refused_in_lower_tiers_too(tier: Tier) -> None:
    assert "3 replicas over 3 zones of the recovery region (tier warm) leave 2" in said(tier, min_available=4)


@pytest.mark.parametrize("zones", [2, 3, 4])
@pytest.mark.parametrize("gpu", ["g5.2xlarge", "g5.12xlarge", "g5.48xlarge"])
@pytest.mark.parametrize("most", range(4, 25))
def test_remaining_zones_can_grow_to_nodes_for_all_replicas(most: int, gpu: str, zones: int) -> None:
    big = replace(GOOD, peak_requests=40.0, max_replicas=most, gpu_types=(gpu,))
    made = capacity(big, Tier.ACTIVE, zones)

    for replicas in (made.replicas, most):
        left = spread(replicas, zones - 1)
        assert sum(-(-share // made.per_node) for share in left) <= made.max_nodes
        assert max(left) - min(left) <= 1


def test_max_nodes_cover_the_loss_of_a_zone() -> None:
    # 4 + 3 + 3 replicas fit three nodes of four; 5 + 5 take two in each zone.
    assert capacity(replace(GOOD, gpu_types=("g5.12xlarge",)), Tier.ACTIVE, 3).max_nodes == 4


def test_all_capacity_problems_are_reported_at_once() -> None:
    wrong = said(gpu_types=("x1.large",), peak_requests=500.0, min_available=49)

    assert all(key in wrong for key in ("dr:gpuInstanceTypes", "dr:maxReplicas", "dr:minAvailable"))
