"""What `make up` says at its end: what runs where, what is promised, and what to try next."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dr.cli.report import objective_text
from dr.control import contract
from dr.topology.tiers import parse_tier
from sandbox import model_set
from sandbox.up import PRIMARY, RECOVERY, World

NEXT = (
    ("make shell", "a shell in which pulumi, dr and boto3 work against the sandbox; there:"),
    ("dr status", "what is deployed and what can be seen of it"),
    ("pulumi config set dr:tier warm -s dr", "the flag; then `pulumi up -s dr`, in place"),
    ("python -m sandbox predict --region us-east-1", "a prediction through the region's address"),
    ("python -m sandbox dns", "records, checks, and who answers now"),
    ("python -m sandbox fault region us-east-1 --unreachable --with-global", "lose the region, and look again"),
    ("make down", "stop everything"),
)
GLOBAL = "global"


def _made_by_region(world: World) -> dict[str, Counter[str]]:
    """Resources by region and service, from the stacks' states."""
    made: dict[str, Counter[str]] = defaultdict(Counter)
    for stack, inside in ((PRIMARY, world.primary_region), (RECOVERY, world.recovery_region)):
        for each in world.ready_engine.resources(stack):
            plugin, _, kind = each["type"].partition(":")
            if plugin == "aws":
                made[each.get("inputs", {}).get("region", GLOBAL)][kind.partition("/")[0]] += 1
            elif plugin == "kubernetes":
                made[inside]["in the cluster"] += 1
    return made


def show(world: World) -> RenderableType:
    """The summary of a sandbox that is up."""
    engine = world.ready_engine
    halves = [contract.parse(json.dumps(engine.outputs(stack)["contract"]), stack) for stack in (PRIMARY, RECOVERY)]
    tier = parse_tier(str(engine.outputs(RECOVERY)["tier"]))
    made = _made_by_region(world)
    where = Table("region", "role", "deployed", "record", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for half in halves:
        counts = ", ".join(f"{number} {service}" for service, number in sorted(made[half.region].items()))
        where.add_row(half.region, str(half.role), counts, f"{half.dns.public_name}, weight {half.dns.weight}")
    everywhere = ", ".join(f"{number} {service}" for service, number in sorted(made[GLOBAL].items()))
    where.add_row(GLOBAL, "", everywhere, "")
    copies = Table("part", "sha256, the same in both regions", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for part, by_region in model_set.hashes(world).items():
        same = len(set(by_region.values())) == 1
        copies.add_row(part, next(iter(by_region.values())) if same else Text(str(by_region), style="bold red"))
    commands = Table.grid(padding=(0, 2))
    for command, meaning in NEXT:
        commands.add_row(Text(command, style="bold"), meaning)
    notices = [Text(notice, style="yellow") for notice in world.notices]
    promise = Text(f"tier {objective_text(tier)}: what it is built for, not measured")
    return Group(*notices, "", where, "", promise, "", copies, "", commands)
