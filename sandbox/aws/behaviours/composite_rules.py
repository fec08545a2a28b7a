"""Rules of composite alarms, over the states of other alarms. Pure.

Source: "Create a composite alarm" of the CloudWatch user guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable

TOKEN = re.compile(
    r"""\s*(?:(?P<state>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?P<name>"[^"]+"|[^\s()"]+)\s*\)"""
    r"""|(?P<word>AND|OR|NOT|TRUE|FALSE)\b|(?P<sign>[()]))\s*"""
)
StateOf = Callable[[str], str]
Condition = Callable[[StateOf], bool]


def parse(rule: str) -> tuple[Condition, list[str]]:
    """Parse a rule into a condition and the names of its alarms. Raises ValueError."""
    tokens, place = list[re.Match[str]](), 0
    while place < len(rule):
        found = TOKEN.match(rule, place)
        if not found:
            raise ValueError(f"not understood: {rule[place:][:40]!r}")
        tokens.append(found)
        place = found.end()
    condition, rest = _either(tokens)
    if rest:
        raise ValueError(f"not expected: {rest[0].group().strip()!r}")
    return condition, [_name(token) for token in tokens if token["name"]]


Tokens = list[re.Match[str]]


def _name(token: re.Match[str]) -> str:
    """An alarm's name, given as a name or as an ARN."""
    return str(token["name"]).strip('"').rpartition(":alarm:")[2]


def _either(tokens: Tokens) -> tuple[Condition, Tokens]:
    one, rest = _both(tokens)
    while rest and rest[0]["word"] == "OR":
        other, rest = _both(rest[1:])
        one = _joined(any, one, other)
    return one, rest


def _both(tokens: Tokens) -> tuple[Condition, Tokens]:
    one, rest = _single(tokens)
    while rest and rest[0]["word"] == "AND":
        other, rest = _single(rest[1:])
        one = _joined(all, one, other)
    return one, rest


def _joined(how: Callable[[list[bool]], bool], one: Condition, other: Condition) -> Condition:
    return lambda state_of: how([one(state_of), other(state_of)])


def _single(tokens: Tokens) -> tuple[Condition, Tokens]:
    if not tokens:
        raise ValueError("it ends too early")
    first, rest = tokens[0], tokens[1:]
    if first["state"]:
        state, name = first["state"], _name(first)
        return lambda state_of: state_of(name) == state, rest
    if first["word"] in ("TRUE", "FALSE"):
        truth = first["word"] == "TRUE"
        return lambda state_of: truth, rest
    if first["word"] == "NOT":
        inner, rest = _single(rest)
        return lambda state_of: not inner(state_of), rest
    if first["sign"] == "(":
        inner, rest = _either(rest)
        if not rest or rest[0]["sign"] != ")":
            raise ValueError("a parenthesis is not closed")
        return inner, rest[1:]
    raise ValueError(f"not expected: {first.group().strip()!r}")
