"""The rules of `policies/`, run as by the SDK, on resources that a test describes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy import (
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import PolicyCustomTimeouts
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policies.rules.pack import RULES, policy

POLICIES = {rule.name: policy(rule) for rule in RULES}
REMOVED = object()
NOT_KNOWN = UNKNOWN_STRING_VALUE
"""The engine's placeholder for an unknown value of any type."""

TAGS = {"project": "ml-dr", "workload": "ml-dr", "role": "primary"}


@dataclass(frozen=True)
class Given:
    """A resource with type, properties, and the names of the resources from which a property's value is made."""

    type: str
    name: str
    props: Mapping[str, Any]
    made_of: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def but(self, path: str, value: object) -> Given:
        """Return a copy with one field changed, for example "rules.0.status"; `REMOVED` removes it."""
        props = copy.deepcopy(dict(self.props))
        *way, last = path.split(".")
        holder: Any = props
        for step in way:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        if value is REMOVED:
            del holder[int(last) if isinstance(holder, list) else last]
        else:
            holder[int(last) if isinstance(holder, list) else last] = value
        return Given(self.type, self.name, props, self.made_of)


def provider(region: str = "us-east-1") -> Given:
    """Return the default provider."""
    return Given("pulumi:providers:aws", "default_7_51_1", {"region": region})


def violations(rule: str, *resources: Given) -> list[str]:
    """Return a rule's violations in a stack. A resource rule checks the first resource."""
    messages: list[str] = []
    chosen = POLICIES[rule]

    def report(message: str, urn: str | None = None) -> None:
        messages.append(message)

    home = next((each for each in resources if each.type == "pulumi:providers:aws"), provider())
    if isinstance(chosen, ResourceValidationPolicy):
        judged = _resource(resources[0], home)
        arguments = ResourceValidationArgs(
            judged.resource_type, judged.props, judged.urn, judged.name, judged.opts, judged.provider
        )
        chosen.validate(arguments, report)
        return messages
    stack = {each.name: _resource(each, home) for each in resources}
    for each in resources:
        for prop, names in each.made_of.items():
            stack[each.name].property_dependencies[prop] = [stack[name] for name in names]
    assert isinstance(chosen, StackValidationPolicy)
    chosen.validate(StackValidationArgs(list(stack.values())), report)
    return messages


def _resource(given: Given, home: Given) -> PolicyResource:
    options = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    of = PolicyProviderResource(home.type, unknown_checking_proxy(dict(home.props)), "urn:home", home.name)
    props = unknown_checking_proxy(copy.deepcopy(dict(given.props)))
    return PolicyResource(
        given.type, props, f"urn::{given.name}", given.name, options, None if given is home else of, None, [], {}
    )
