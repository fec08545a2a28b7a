import pytest

from dr.topology.tiers import Tier
from dr.topology.workers import Fleet, Sizes, group_name

FLEET = Fleet("batch", "ami-0123456789abcdef0", ("m6i.large", "m5.large"), size=5, max_size=8)


@pytest.mark.parametrize(
    ("tier", "sizes"),
    [
        (Tier.BACKUP, Sizes(0, 0)),
        (Tier.PILOT, Sizes(0, 0)),
        (Tier.WARM, Sizes(3, 8)),
        (Tier.ACTIVE, Sizes(5, 8)),
    ],
    ids=str,
)
def test_a_tier_without_inference_runs_no_workers_and_warm_its_fraction_rounded_up(tier: Tier, sizes: Sizes) -> None:
    assert FLEET.sizes(tier, 0.5) == sizes


def test_largest_size_is_twice_the_size_unless_it_is_set() -> None:
    assert Fleet("batch", FLEET.image, FLEET.instance_types, size=3).sizes(Tier.ACTIVE, 0.5) == Sizes(3, 6)


@pytest.mark.parametrize(("on_demand", "base"), [(None, 3), (0, 0), (8, 8)])
def test_instances_of_the_warm_floor_are_on_demand_unless_it_is_set(on_demand: int | None, base: int) -> None:
    fleet = Fleet("batch", FLEET.image, FLEET.instance_types, size=5, on_demand=on_demand)

    assert fleet.on_demand_base(0.5) == base


def test_group_has_the_same_name_in_both_regions() -> None:
    assert group_name("ml-dr", "batch") == "ml-dr-workers-batch"
