"""The tables of rules and exceptions, from the policy pack."""

from __future__ import annotations

from policies.rules.exceptions import EXCEPTIONS
from policies.rules.pack import RULES


def rule_table() -> str:
    """Return every rule with its requirement, reason and level."""
    rows = [f"| `{rule.name}` | {rule.requirement} | {rule.reason} | {rule.level} |" for rule in RULES]
    return "\n".join(["| rule | must hold | because | level |", "|---|---|---|---|", *rows])


def exception_table() -> str:
    """Return every exception with what it covers and its reason."""
    rows = [f"| `{each.rule}` | {each.scope} | {each.reason} |" for each in EXCEPTIONS]
    return "\n".join(["| rule | covers | reason |", "|---|---|---|", *rows])
