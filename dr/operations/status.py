"""Deployed tier, its objectives and current health. Read-only."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from dr.clients import Unreachable
from dr.control.control_bucket import Control, read_control
from dr.control.incident_state import IncidentState
from dr.data import model_sets
from dr.errors import DrError, Exit
from dr.findings import Finding, Status, exit_code, measured
from dr.operations import probes
from dr.topology.tiers import Tier
from dr.topology.topology import Role, Topology


@dataclass(frozen=True)
class StatusReport:
    """Result of `dr status`.

    Args:
        primary: The primary region.
        recovery: The recovery region.
        tier: Deployed tier; None if the recovery region's half of the contract does not exist or could not be read.
        read_from: Region of the control bucket that was read.
        day: The incident state.
        findings: Findings of all probes.
    """

    primary: str
    recovery: str
    tier: Tier | None
    read_from: str
    day: IncidentState
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> Exit:
        """FAILED if an objective is missed, else UNKNOWN if a value could not be measured, else OK."""
        return exit_code(self.findings)


def run(topology: Topology) -> StatusReport:
    """Run all probes in parallel.

    Raises:
        Unreachable: Neither region's control bucket answers.
        Refused: Nothing is deployed.
    """
    controls, findings = _read_controls(topology)
    control = controls[0]
    halves = control.halves
    owner, taker = halves.get(Role.PRIMARY), halves.get(Role.RECOVERY)
    tier = taker.tier if taker else None
    primary, recovery = topology.primary.region, topology.recovery.region
    looks: list[tuple[str, Callable[[], Finding]]] = []
    if owner:
        buckets = dict(owner.buckets)
        there = {pair: sides.recovery for pair, sides in buckets.items()}
        rpo = (tier or topology.tier).spec.rpo
        for pair, sides in buckets.items():
            looks.append((f"replication of {pair}", partial(probes.replication, pair, sides, primary, recovery)))
        looks += [
            (f"model set {name}", partial(probes.newest_set, name, buckets, primary, recovery, rpo))
            for name in _set_names(recovery, there, findings)
        ]
    for half in halves.values():
        looks.append((f"endpoint of {half.region}", partial(probes.endpoint, half.dns, half.region, half.serves)))
        looks.append((f"lever {half.dns.lever}", partial(probes.lever, half.dns, recovery)))
    with ThreadPoolExecutor(max_workers=16) as pool:
        findings += pool.map(lambda look: measured(*look), looks)
    return StatusReport(primary, recovery, tier, control.region, control.state, tuple(findings))


def _set_names(region: str, buckets: dict[str, str], findings: list[Finding]) -> list[str]:
    try:
        return model_sets.names(region, buckets)
    except DrError as error:
        findings.append(Finding("model sets", Status.UNKNOWN, error.problems[0].fact, error.problems[0].remedy))
        return []


def _read_controls(topology: Topology) -> tuple[list[Control], list[Finding]]:
    """Return the contents of the control buckets that answer, recovery first, and a finding for each bucket."""
    roles = (Role.RECOVERY, Role.PRIMARY)
    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = list(pool.map(partial(_try_control, topology), roles))
    controls = [answer for answer in answers if isinstance(answer, Control)]
    if not controls:
        raise next(answer for answer in answers if isinstance(answer, Unreachable))
    findings = []
    for role, answer in zip(roles, answers, strict=True):
        name = f"control bucket of {topology.site(role).region}"
        if isinstance(answer, Unreachable):
            findings.append(Finding(name, Status.UNKNOWN, answer.problems[0].fact, answer.problems[0].remedy))
            continue
        lacking = [str(each) for each in Role if each not in answer.halves]
        if lacking:
            hint = "`pulumi up` of that stack; if it is deployed, wait for replication"
            findings.append(Finding(name, Status.MISSED, f"lacks the contract of {', '.join(lacking)}", hint))
        else:
            findings.append(Finding(name, Status.MET, "holds both halves of the contract"))
    return controls, findings


def _try_control(topology: Topology, role: Role) -> Control | Unreachable:
    try:
        return read_control(topology, role)
    except Unreachable as error:
        return error
