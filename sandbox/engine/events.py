"""The events of an operation of the engine, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dr.operations.steps import Report


@dataclass
class EventLog:
    """Collects an operation's events and reports the number of finished resources.

    Args:
        report: Receives the progress.
        expected: Number of resources of the stack; None where it is unknown.
    """

    report: Report
    expected: int | None = None
    done: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed: list[tuple[str, str, list[str]]] = field(default_factory=list)
    """Operation, URN and differing properties of each resource that is not the same."""
    violations: list[str] = field(default_factory=list)

    def __call__(self, event: Any) -> None:
        """Record one engine event (`pulumi.automation.EngineEvent`)."""
        if event.resource_pre_event and event.resource_pre_event.metadata.op != "same":
            metadata = event.resource_pre_event.metadata
            self.changed.append((str(metadata.op.value), metadata.urn, list(metadata.detailed_diff or {})))
        if event.res_outputs_event:
            self.done += 1
            share = min(self.done / self.expected, 1.0) if self.expected else None
            of = f" of {self.expected}" if self.expected and self.expected >= self.done else ""
            self.report(f"{self.done}{of} resources", share)
        diagnostic = event.diagnostic_event
        # An ephemeral diagnostic is the status line of a resource in progress.
        if diagnostic and not diagnostic.ephemeral and diagnostic.severity in ("error", "warning"):
            messages = self.errors if diagnostic.severity == "error" else self.warnings
            messages.append(diagnostic.message.strip())
        if event.policy_event:
            violated = event.policy_event
            resource = str(violated.resource_urn or "").rpartition("::")[2]
            self.violations.append(
                f"{violated.enforcement_level} {violated.policy_name}, {resource}: {violated.message.strip()}"
            )
        if event.summary_event:
            self.changes = {str(getattr(op, "value", op)): n for op, n in event.summary_event.resource_changes.items()}


@dataclass(frozen=True)
class Changes:
    """The result of an operation of the engine.

    Args:
        counts: Operation ("create", "update", "same", ...) to number of resources.
        changed: Operation, URN and differing properties of each resource that is not the same.
        warnings: Warnings of the engine and its plugins.
        violations: Violated policies: level, policy, resource and the policy's message.
    """

    counts: Mapping[str, int]
    changed: tuple[tuple[str, str, list[str]], ...]
    warnings: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = {
            "create": "created",
            "update": "updated",
            "delete": "deleted",
            "replace": "replaced",
            "same": "unchanged",
        }
        return ", ".join(f"{number} {words.get(op, op)}" for op, number in self.counts.items()) or "nothing"

    @property
    def none(self) -> bool:
        """Whether nothing changed."""
        return not any(number for op, number in self.counts.items() if op != "same")
