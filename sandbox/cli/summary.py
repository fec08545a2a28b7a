"""Summary at the end of `make up`: resources by region, DNS records, the model set and next commands."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from rich.console import Group, RenderableType
from rich.text import Text

from dr.cli.findings_layout import objective_text
from dr.cli.layout import Paragraph, Rows
from dr.control import contract
from dr.topology.tiers import parse_tier
from sandbox import model_set
from sandbox.up import PRIMARY, RECOVERY, World

NEXT = (
    ("make shell", "opens a shell for the sandbox; the commands below run there"),
    ("dr status", "shows which region serves, and how each objective is met"),
    ("pulumi config set dr:tier warm -s dr", "changes the tier; `pulumi up -s dr` applies it"),
    ("python -m sandbox predict --region us-east-1", "requests a prediction"),
    ("python -m sandbox dns", "lists DNS records and their health checks"),
    ("python -m sandbox fault region us-east-1 --unreachable --with-global", "makes the region unreachable"),
    ("make down", "stops the sandbox"),
)
GLOBAL = "global"


def _made_by_region(world: World) -> dict[str, Counter[str]]:
    """Count the resources in the stacks' states by region and service."""
    made: dict[str, Counter[str]] = defaultdict(Counter)
    for stack, inside in ((PRIMARY, world.primary_region), (RECOVERY, world.recovery_region)):
        for each in world.ready_engine.resources(stack):
            plugin, _, kind = each["type"].partition(":")
            if plugin == "aws":
                made[each.get("inputs", {}).get("region", GLOBAL)][kind.partition("/")[0]] += 1
            elif plugin == "kubernetes":
                made[inside]["in the cluster"] += 1
    return made


def summary(world: World) -> RenderableType:
    """Return the summary of a deployed sandbox."""
    engine = world.ready_engine
    halves = [contract.parse(json.dumps(engine.outputs(stack)["contract"]), stack) for stack in (PRIMARY, RECOVERY)]
    tier = parse_tier(str(engine.outputs(RECOVERY)["tier"]))
    made = _made_by_region(world)
    regions = [(half.region, str(half.role), _counted(made[half.region])) for half in halves]
    records = [(half.region, f"{half.dns.public_name}, weight {half.dns.weight}") for half in halves]
    copies = []
    for part, by_region in model_set.hashes(world).items():
        same = len(set(by_region.values())) == 1
        copies.append((part, next(iter(by_region.values())) if same else Text(str(by_region), style="bold red")))
    return Group(
        *(Paragraph(notice, "yellow") for notice in world.notices),
        "",
        Rows([*regions, (GLOBAL, "", _counted(made[GLOBAL]))], ("region", "role", "resources")),
        "",
        Rows(records, ("region", "DNS record")),
        "",
        Rows(copies, ("part", "sha256, equal in both regions")),
        "",
        Paragraph(f"Tier {objective_text(tier)}; objectives are not measurements."),
        "",
        Rows([(Text(command, style="bold"), meaning) for command, meaning in NEXT]),
    )


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {service}" for service, number in sorted(counts.items()))
