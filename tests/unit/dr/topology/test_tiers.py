import ast
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dr.config import reader
from dr.control.contract import Half
from dr.errors import Invalid
from dr.topology import detection
from dr.topology.tiers import (
    DEFAULT_TIER,
    DETECTION_SHARE,
    PRIMARY_TIER,
    TIERS,
    Decision,
    Floor,
    Nat,
    Tier,
    describe_duration,
    highest,
    parse_tier,
)
from dr.topology.topology import Role
from tests.support.builders import half, settings, topology
from tests.support.tiers import add_tier

ROOT = Path(__file__).parents[4]
NAMES = [(name, tier) for tier, spec in TIERS.items() for name in (tier.value, *spec.spellings)]
IDLE = replace(TIERS[Tier.PILOT], spellings=("cold",), cluster=False, backup_plan=False, nat=Nat.NONE)
HOT = replace(TIERS[Tier.WARM], spellings=("hot-standby",), floor=Floor.PEAK, nat=Nat.ONE, dns_weight=20)


@pytest.mark.parametrize(("spelling", "tier"), NAMES)
def test_every_documented_spelling_of_a_tier_is_accepted(spelling: str, tier: Tier) -> None:
    assert parse_tier(spelling) is tier
    assert parse_tier(f"  {spelling.upper().replace('-', '_')} ") is tier
    assert parse_tier(spelling.replace("-", " ")) is tier


@pytest.mark.parametrize(
    ("typo", "meant"), [("wram", "warm"), ("pilotlight", "pilot"), ("actve", "active"), ("bakup", "backup")]
)
def test_misspelled_tier_is_refused_with_the_nearest_tier(typo: str, meant: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_tier(typo)

    assert f'"{typo}" is not a valid tier' in str(caught.value)
    assert f'did you mean "{meant}"?' in str(caught.value)
    assert f"pulumi config set dr:tier {meant} -s dr" in str(caught.value)


def test_unrecognizable_tier_is_refused_with_all_valid_tiers() -> None:
    with pytest.raises(Invalid, match="backup, pilot, warm, active") as caught:
        parse_tier("xyz")

    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("tier", Tier)
def test_detection_takes_at_most_the_stated_share_of_a_tiers_rto(tier: Tier) -> None:
    spec = tier.spec

    assert spec.detection <= spec.rto * DETECTION_SHARE[spec.decision]


def test_detection_budget_is_the_sum_of_sampling_probe_and_alarm_periods() -> None:
    # Gap between two samples 60 + 20 s, probe 5 s, second period 20 s, evaluation 20 s.
    assert timedelta(seconds=125) == detection.BY_PROBE
    # Health checks 3 x 10 or 3 x 30 s, TTL 10 s, gap 80 s, periods 40 s.
    assert detection.by_dns(10, 3) == timedelta(seconds=160)
    assert detection.by_dns(30, 3) == timedelta(seconds=220) >= detection.BY_PROBE
    assert {tier for tier in Tier if tier.spec.decision is Decision.OPERATOR} == {Tier.BACKUP, Tier.PILOT, Tier.WARM}


def test_tiers_are_ordered_by_running_resources() -> None:
    assert sorted(Tier) == [Tier.BACKUP, Tier.PILOT, Tier.WARM, Tier.ACTIVE]
    assert highest(Tier.PILOT, Tier.WARM) is highest(Tier.WARM, Tier.PILOT) is Tier.WARM
    assert highest(Tier.PILOT, None) is Tier.PILOT


def test_every_tier_has_one_row_in_the_order_of_the_tiers() -> None:
    assert list(TIERS) == list(Tier)


def test_a_higher_tier_never_has_a_weaker_objective() -> None:
    for lower, higher in zip(list(Tier), list(Tier)[1:], strict=False):
        assert TIERS[higher].rto < TIERS[lower].rto
        assert TIERS[higher].rpo <= TIERS[lower].rpo


def test_a_tier_that_serves_runs_a_cluster_with_nat_gateways_and_a_backup_plan() -> None:
    for spec in TIERS.values():
        assert spec.cluster or not spec.serves
        assert spec.cluster == (spec.nat is not Nat.NONE) == spec.backup_plan


def test_the_primary_region_runs_the_highest_tier() -> None:
    assert max(Tier) is PRIMARY_TIER


def test_a_failover_scales_a_region_to_the_lowest_tier_that_serves() -> None:
    assert [tier.serving_tier for tier in Tier] == [Tier.WARM, Tier.WARM, Tier.WARM, Tier.ACTIVE]


def test_only_the_active_tier_takes_traffic_while_the_primary_is_healthy() -> None:
    assert [TIERS[tier].dns_weight for tier in Tier] == [0, 0, 0, 100]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "3 s"), (150, "150 s"), (300, "5 min"), (1800, "30 min"), (28800, "8 h"), (4800, "1 h 20 min")],
)
def test_durations_are_formatted_for_people(seconds: int, text: str) -> None:
    assert describe_duration(timedelta(seconds=seconds)) == text


def test_new_serving_tier_requires_only_a_row_of_the_tier_table(monkeypatch: pytest.MonkeyPatch) -> None:
    hot = add_tier("hot", HOT, Tier.WARM, monkeypatch)

    made = topology(Role.RECOVERY, tier="Hot Standby")

    assert sorted(Tier) == [Tier.BACKUP, Tier.PILOT, Tier.WARM, hot, Tier.ACTIVE]
    assert (made.tier, made.tier_here, made.nat_here) == (hot, hot, Nat.ONE)
    assert made.capacity_here == topology(Role.RECOVERY, tier="active").capacity_here == made.capacity_ready
    written: Half = half(Role.RECOVERY, tier="hot")
    assert (written.tier, written.serves) == (hot, True)
    with pytest.raises(Invalid, match="Use one of backup, pilot, warm, hot, active"):
        reader.read(settings(Role.RECOVERY, tier="xyz"))


def test_new_tier_without_a_cluster_requires_only_a_row_of_the_tier_table(monkeypatch: pytest.MonkeyPatch) -> None:
    add_tier("idle", IDLE, Tier.BACKUP, monkeypatch)

    made = topology(Role.RECOVERY, tier="cold", privateEndpoints="true")

    assert (made.private_endpoints_here, made.nat_here, made.capacity_here.replicas) == (False, Nat.NONE, 0)
    assert made.capacity_ready == topology(Role.RECOVERY, tier="warm").capacity_here
    assert not half(Role.RECOVERY, tier="idle").serves


def compared(path: Path) -> Iterator[int]:
    """Yield lines that compare tiers: a member of Tier, or a name that ends with "tier"."""

    def is_tier(node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id="Tier")):
                return True
            case ast.Attribute(attr=name) | ast.Name(id=name):
                return name.endswith(("tier", "tier_here"))
            case ast.BoolOp(values=values):
                return any(map(is_tier, values))
        return False

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Compare(left=left, ops=ops, comparators=[*others]):
                to_none = all(isinstance(op, ast.Is | ast.IsNot) for op in ops) and ast.unparse(others[0]) == "None"
                if not to_none and any(map(is_tier, (left, *others))):
                    yield node.lineno
            case ast.Call(func=ast.Name(id="max" | "min"), args=args) if any(map(is_tier, args)):
                yield node.lineno
            case ast.MatchValue(value=value) if is_tier(value):
                yield value.lineno
            case ast.Dict(keys=keys) if any(key and is_tier(key) for key in keys):
                yield node.lineno


def test_tiers_are_compared_only_in_the_tier_table_and_the_guard_against_lowering() -> None:
    table, guards = ROOT / "dr/topology/tiers.py", ROOT / "dr/preflight/guards.py"
    files = [path for folder in ("dr", "components", "stacks") for path in (ROOT / folder).rglob("*.py")]

    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in (*files, ROOT / "__main__.py")
        if path not in (table, guards)
        for line in compared(path)
    ]

    assert found == []


def test_the_default_tier_is_pilot() -> None:
    assert DEFAULT_TIER is Tier.PILOT
