from datetime import timedelta

import pytest

from dr.errors import Invalid
from dr.topology.tiers import SPELLINGS, TIERS, Tier, describe_duration, parse_tier


@pytest.mark.parametrize(("spelling", "tier"), [(name, tier) for tier, names in SPELLINGS.items() for name in names])
def test_every_spelling_of_a_tier_is_understood(spelling: str, tier: Tier) -> None:
    assert parse_tier(spelling) is tier
    assert parse_tier(f"  {spelling.upper().replace('-', '_')} ") is tier
    assert parse_tier(spelling.replace("-", " ")) is tier


@pytest.mark.parametrize(
    ("typo", "meant"), [("wram", "warm"), ("pilotlight", "pilot"), ("actve", "active"), ("bakup", "backup")]
)
def test_a_typo_is_refused_with_the_nearest_tier(typo: str, meant: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_tier(typo)

    assert f'"{typo}" is no tier' in str(caught.value)
    assert f'did you mean "{meant}"?' in str(caught.value)
    assert f"pulumi config set dr:tier {meant} -s dr" in str(caught.value)


def test_a_word_that_is_like_no_tier_is_refused_with_all_of_them() -> None:
    with pytest.raises(Invalid, match="backup, pilot, warm, active") as caught:
        parse_tier("xyz")

    assert "did you mean" not in str(caught.value)


def test_tiers_are_ordered_by_how_much_runs() -> None:
    assert sorted(Tier) == [Tier.BACKUP, Tier.PILOT, Tier.WARM, Tier.ACTIVE]
    assert max(Tier.PILOT, Tier.WARM) is Tier.WARM


def test_a_higher_tier_never_promises_less() -> None:
    for lower, higher in zip(list(Tier), list(Tier)[1:], strict=False):
        assert TIERS[higher].rto < TIERS[lower].rto
        assert TIERS[higher].rpo <= TIERS[lower].rpo


def test_only_the_active_tier_takes_traffic_while_the_primary_is_healthy() -> None:
    assert [TIERS[tier].dns_weight for tier in Tier] == [0, 0, 0, 100]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "3 s"), (150, "150 s"), (300, "5 min"), (1800, "30 min"), (28800, "8 h"), (4800, "1 h 20 min")],
)
def test_durations_read_as_a_person_writes_them(seconds: int, text: str) -> None:
    assert describe_duration(timedelta(seconds=seconds)) == text
