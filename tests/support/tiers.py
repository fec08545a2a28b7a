"""A fifth tier, to show that a new tier needs only a row in the tier table."""

from __future__ import annotations

import pytest

from dr.topology.tiers import TIERS, Tier, TierSpec


def add_tier(name: str, spec: TierSpec, after: Tier, monkeypatch: pytest.MonkeyPatch) -> Tier:
    """Add a member to `Tier` and its row to `TIERS`, until the test ends.

    Args:
        name: The tier's name.
        spec: Its row.
        after: The next lower tier.
        monkeypatch: Removes it after the test.
    """
    tier = object.__new__(Tier)
    tier._name_, tier._value_ = name.upper(), name
    tier.__objclass__ = Tier  # type: ignore[attr-defined]
    names = list(Tier._member_names_)
    names.insert(names.index(after.name) + 1, tier.name)
    monkeypatch.setattr(Tier, "_member_names_", names)
    monkeypatch.setitem(Tier._member_map_, tier.name, tier)
    monkeypatch.setitem(Tier._value2member_map_, name, tier)
    monkeypatch.setitem(TIERS, tier, spec)
    return tier
