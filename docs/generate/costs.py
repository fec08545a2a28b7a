"""The tier table and the cost tables, from the tier table of the code and the cost model."""

from __future__ import annotations

from pathlib import Path

from dr.config import reader
from dr.config.project import read_config
from dr.topology.cost import Line, data_cost, stack_cost, total
from dr.topology.prices import PRICES
from dr.topology.tiers import TIERS, Tier, describe_duration
from dr.topology.topology import Topology

ROOT = Path(__file__).parents[2]
ACCOUNT = "0" * 12
STORED_GB, WRITTEN_GB = 1000, 100
"""The example of data volume: 1 TB stored, a tenth of it written in a month."""


def default_topology(stack: str, tier: Tier = Tier.ACTIVE) -> Topology:
    """Return the topology of a stack as this checkout configures it, with another tier."""
    return reader.read({**read_config(ROOT, stack), "dr:tier": str(tier)}).topology(ACCOUNT)


def dollars(usd: float | None) -> str:
    """Return an amount in dollars, below 10 with cents, or "unknown"."""
    if usd is None:
        return "unknown"
    return f"${usd:,.2f}" if usd < 10 else f"${usd:,.0f}"


def tier_table() -> str:
    """Return the tiers with what runs, objectives and the monthly cost of the dr stack and of the example's data."""
    rows = ["| tier | runs in the recovery region | RTO | RPO | cost a month |", "|---|---|---|---|---|"]
    for tier, spec in TIERS.items():
        cost = dollars(total(stack_cost(default_topology("dr", tier))))
        rto, rpo = describe_duration(spec.rto), describe_duration(spec.rpo)
        rows.append(f"| `{tier}` | {spec.runs} | {rto} | {rpo} | {cost} |")
    return "\n".join(rows)


def cost_table() -> str:
    """Return every item's monthly cost for the primary stack, for the dr stack by tier, and for data."""
    primary = default_topology("primary")
    by_tier = {str(tier): default_topology("dr", tier) for tier in Tier}
    columns: dict[str, list[Line]] = {"primary": stack_cost(primary)}
    columns |= {name: stack_cost(topology) for name, topology in by_tier.items()}
    data = {"primary": [], **{name: data_cost(each, STORED_GB, WRITTEN_GB) for name, each in by_tier.items()}}
    head = ["| item | " + " | ".join(["primary stack", *(f"dr, `{name}`" for name in by_tier)]) + " |"]
    head.append("|---" * (len(columns) + 1) + "|")
    return "\n".join(
        [
            *head,
            *_rows(columns),
            _row("**all resources**", [f"**{dollars(total(lines))}**" for lines in columns.values()]),
            *_rows(data),
        ]
    )


def price_table() -> str:
    """Return the unit prices with their sources; of EC2 only the default types."""
    used = {"EC2 m6i.large", *(f"EC2 {name}" for name in default_topology("dr").workload.gpu_types)}
    rows = [
        f"| {item} | ${price.usd:g} a {price.unit} | {price.source} |"
        for item, price in PRICES.items()
        if not item.startswith("EC2 ") or item in used
    ]
    return "\n".join(["| item | price | source |", "|---|---|---|", *rows])


def _rows(columns: dict[str, list[Line]]) -> list[str]:
    items = dict.fromkeys(line.item for lines in columns.values() for line in lines)
    return [_row(item, [_cell(item, lines) for lines in columns.values()]) for item in items]


def _cell(item: str, lines: list[Line]) -> str:
    found = [line for line in lines if line.item == item]
    return dollars(total(found)) if found else ""


def _row(first: str, cells: list[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"
