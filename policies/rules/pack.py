"""The policy pack: the only module that converts rules into policies of the SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from . import access, backup, compute, databases, stacks, storage, traffic, workloads
from .exceptions import allowed
from .model import UNKNOWN, Resource, Rule

RULES: tuple[Rule, ...] = tuple(
    rule
    for module in (storage, traffic, access, stacks, compute, backup, databases, workloads)
    for rule in module.RULES
)


def policies() -> list[Policy]:
    """Return all rules as policies."""
    return [policy(rule) for rule in RULES]


def policy(rule: Rule) -> Policy:
    """Return a rule as a policy of the SDK."""
    level = EnforcementLevel[rule.level.name]

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for message in violations(rule, resource_of(args)):
            report(message, None)

    def validate_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = [resource_of(each) for each in args.resources]
        for each in stack:
            for message in violations(rule, each, stack):
                report(message, each.urn)

    if rule.check_in_stack:
        return StackValidationPolicy(rule.name, rule.description, validate_stack, level)
    return ResourceValidationPolicy(rule.name, rule.description, validate, level)


def violations(rule: Rule, resource: Resource, stack: Sequence[Resource] = ()) -> list[str]:
    """Return the messages of violations without a recorded exception."""
    facts = rule.facts(resource, stack)
    return [rule.message(fact) for fact in facts if not allowed(rule.name, resource, fact)]


def resource_of(args: ResourceValidationArgs | PolicyResource) -> Resource:
    """Return a resource from the SDK's arguments."""
    references: Mapping[str, Sequence[PolicyResource]] = getattr(args, "property_dependencies", {})
    return Resource(
        type=args.resource_type,
        name=args.name,
        props=plain(args.props),
        urn=args.urn,
        provider_region=plain(args.provider.props).get("region") if args.provider else None,
        references={name: frozenset(each.urn for each in resources) for name, resources in references.items()},
    )


def plain(value: Any) -> Any:
    """Return the SDK's mappings and lists, which raise on unknown values, as plain ones with UNKNOWN."""
    if isinstance(value, Mapping):
        return {key: _known(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_known(value, number) for number in range(len(value))]
    return value


def _known(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN
