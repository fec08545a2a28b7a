"""NetworkPolicies of a namespace, applied to what a pod calls. Pure.

Source: Kubernetes documentation, "Network Policies". A pod that no egress policy selects may call everything. Otherwise
one rule of one policy has to admit the connection; rules add up. Addresses outside the cluster match `ipBlock` only.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

Thing = dict[str, Any]


def admits(policies: Iterable[Thing], pod: Thing, address: str, port: int) -> bool:
    """Return whether a pod may connect to a TCP port of an address outside the cluster.

    Args:
        policies: NetworkPolicies of the pod's namespace.
        pod: The pod.
        address: IP address.
        port: The port.
    """
    labels = pod["metadata"].get("labels") or {}
    selecting = [each["spec"] for each in policies if _egress(each["spec"]) and _selects(each["spec"], labels)]
    rules = [rule for spec in selecting for rule in spec.get("egress") or ()]
    return not selecting or any(_to(rule, address) and _through(rule, port) for rule in rules)


def _egress(spec: Thing) -> bool:
    """Return whether a policy is one of egress; without `policyTypes`, one with egress rules is."""
    return "Egress" in spec["policyTypes"] if "policyTypes" in spec else bool(spec.get("egress"))


def _selects(spec: Thing, labels: Thing) -> bool:
    selector = spec.get("podSelector") or {}
    wanted = selector.get("matchLabels") or {}
    matching = all(labels.get(name) == value for name, value in wanted.items())
    return matching and all(_meets(each, labels) for each in selector.get("matchExpressions") or ())


def _meets(expression: Thing, labels: Thing) -> bool:
    held, values = labels.get(expression["key"]), expression.get("values") or ()
    return {
        "In": held in values,
        "NotIn": held not in values,
        "Exists": held is not None,
        "DoesNotExist": held is None,
    }[str(expression["operator"])]


def _to(rule: Thing, address: str) -> bool:
    peers = rule.get("to")
    blocks = [peer["ipBlock"] for peer in peers or () if "ipBlock" in peer]
    return not peers or any(_inside(block, address) for block in blocks)


def _inside(block: Thing, address: str) -> bool:
    excluded = any(ip_address(address) in ip_network(each) for each in block.get("except") or ())
    return ip_address(address) in ip_network(block["cidr"]) and not excluded


def _through(rule: Thing, port: int) -> bool:
    ports = rule.get("ports")
    return not ports or any(_matches(each, port) for each in ports)


def _matches(rule: Thing, port: int) -> bool:
    """Return whether a rule's port is a TCP port; a port that is a name is one of a pod."""
    first = rule.get("port")
    if rule.get("protocol", "TCP") != "TCP" or isinstance(first, str):
        return False
    if first is None:
        return True
    return bool(first <= port <= (rule.get("endPort") or first))
