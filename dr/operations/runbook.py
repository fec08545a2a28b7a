"""The runbook: what an operator types on the day of a disaster, and what it does. Pure.

Made of the steps and guards that the commands run, so the two cannot differ. It depends on the configuration only, so
it is equal in both regions, and a preview shows no change of it. The clusters hold it as a ConfigMap.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from dr.operations.operation import FAILBACK, FAILOVER, SWITCHOVER, Operation
from dr.operations.prechecks import Named, data_loss
from dr.operations.scene import Scene
from dr.operations.steps import Step, dependencies, modelled
from dr.topology.capacity import capacity
from dr.topology.tiers import TIERS, describe_duration
from dr.topology.topology import Topology

CONFIG_MAP, FILE = "dr-runbook", "runbook.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(dr [^`]+)`")


def render(topology: Topology) -> str:
    """Return the runbook of a topology, as Markdown.

    Args:
        topology: The topology of either stack; both have the same runbook.
    """
    home, away = topology.primary.region, topology.recovery.region
    parts = (
        f"# Runbook: {home} is lost",
        f"Inference is served from {home}. {away} takes over. Each command needs AWS credentials, a checkout of this "
        f"project, and a network that reaches {away}. Pulumi and its state are not needed until the end of a failback.",
        "## Objectives",
        *_objectives(topology),
        "## 1. Assess",
        f"`dr status` shows who serves, and what {away} measures. `dr check` shows whether {away} can take over. "
        "`dr failover` shows the plan: guards, steps, durations, and the data that would be lost. Nothing is changed.",
        _block("dr status", "dr check", "dr failover"),
        f"## 2. Fail over: {home} is lost",
        _block(f'dr failover --yes --reason "{home} is lost"'),
        "The same command resumes an interrupted run, on another machine too. The journal has each step.",
        _block("dr journal", "dr incidents", "dr report"),
        *_operation(FAILOVER),
        f"## 3. Switch over: {home} is healthy",
        "For planned work. No write is lost.",
        _block("dr switchover", f'dr switchover --yes --reason "maintenance of {home}"'),
        *_operation(SWITCHOVER),
        f"## 4. Fail back: {home} is healthy again",
        _block("dr failback", f'dr failback --yes --reason "{home} is healthy again"'),
        *_operation(FAILBACK),
        "Afterwards both stacks show no change:",
        _block("pulumi up --stack primary", "pulumi up --stack dr"),
        "## When a step fails",
        "- Run the same command again. Completed steps are not repeated.\n"
        "- `--skip STEP` leaves a step out. The lists say what that means.\n"
        "- `--force STEP` continues although the result of a step is not confirmed.\n"
        "- `--take-over HOLDER` takes the lease of another operator at once. The refusal names the holder.",
        "Each of them is written to the journal, with the author and the reason.",
        "## Automation",
        "`dr automate` shows what automation would do, and why. A pause switches it off; operators can still do "
        "everything.",
        _block("dr automate", 'dr pause --reason "an operator decides"', "dr resume"),
        "## Rehearse",
        _block("dr drill region-loss", "dr drill stop"),
    )
    return "\n\n".join(parts) + "\n"


def commands(runbook: str) -> list[tuple[str, ...]]:
    """Return each command of a runbook once, as the words that a shell makes of it."""
    lines = [line for block in BLOCK.findall(runbook) for line in block.splitlines()]
    return list(dict.fromkeys(tuple(shlex.split(line)) for line in (*lines, *INLINE.findall(runbook))))


def _objectives(topology: Topology) -> Iterator[str]:
    """Yield the table of tiers."""
    zones = len(topology.recovery.zones)
    rows = [
        (
            str(tier),
            spec.runs,
            describe_duration(spec.rto),
            describe_duration(spec.rpo),
            str(capacity(topology.workload, tier.serving_tier, zones).replicas),
        )
        for tier, spec in TIERS.items()
    ]
    yield _table(("tier", "what runs", "RTO", "RPO", "replicas after a failover"), rows)
    yield "`dr status` shows the deployed tier. A tier without a cluster needs one before a failover."


def _operation(operation: Operation) -> Iterator[str]:
    """Yield the guards and the steps of an operation."""
    steps = operation.steps()
    yield f"Guards, all measured before the first change of `dr {operation.name}`:"
    yield _table(("guard", "what has to be true", "accepted by"), [_guard(each) for each in operation.guards])
    yield "Steps. One starts when those that it waits for are done:"
    after = dependencies(steps)
    yield "\n".join(_step(number, each, after[each.name]) for number, each in enumerate(steps, 1))


def _guard(guard: Named) -> tuple[str, ...]:
    accepted = f"`--accept {guard.name}`" if guard.acceptable else "not accepted"
    if guard.look is data_loss:
        accepted = "`--accept-data-loss SECONDS`"
    return f"`{guard.name}`", guard.title, accepted


def _step(number: int, step: Step[Scene], after: Sequence[str]) -> str:
    """Return an item of a list: a terminal shows a wide table badly."""
    duration = modelled(step)
    waits = f" Waits for {', '.join(after)}." if after else ""
    lines = [
        f"{number}. `{step.name}`: {step.title}.{waits}",
        f"- expected: {describe_duration(duration.p50)}, {duration.source}; given up after "
        f"{describe_duration(step.timeout)}",
        *([f"- when it is slow: {step.slow}"] if step.slow else []),
        f"- skipped: {step.without or 'not possible'}",
    ]
    return "\n   ".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(each.replace('|', '/') for each in line)} |" for line in lines)


def _block(*lines: str) -> str:
    return "\n".join(("```sh", *lines, "```"))
