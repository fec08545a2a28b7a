"""Egress policies of a namespace, applied to a pod's connections."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clusters.egress_policies import admits

POD = {"metadata": {"labels": {"app": "probe", "tier": "warm"}}}
INSIDE, EXCLUDED, OUTSIDE = "198.51.100.7", "198.51.100.200", "203.0.113.7"


def policy(**changes: Any) -> dict[str, Any]:
    """A policy that selects the pod and admits HTTPS to one block without a part of it; `changes` replaces fields."""
    block = {"cidr": "198.51.100.0/24", "except": ["198.51.100.128/25"]}
    rule = {"to": [{"ipBlock": block}], "ports": [{"protocol": "TCP", "port": 443}]}
    selector = {"matchLabels": {"app": "probe"}}
    return {"spec": {"podSelector": selector, "policyTypes": ["Egress"], "egress": [rule]} | changes}


def rule(**changes: Any) -> dict[str, Any]:
    """A policy with one field of its rule changed."""
    made = policy()
    made["spec"]["egress"][0] |= changes
    return made


def test_a_pod_without_egress_policies_may_call_everything() -> None:
    assert admits([], POD, OUTSIDE, 443)
    assert admits([policy(policyTypes=["Ingress"])], POD, OUTSIDE, 443)


def test_a_policy_admits_the_addresses_of_its_blocks_without_their_exceptions() -> None:
    assert [admits([policy()], POD, each, 443) for each in (INSIDE, EXCLUDED, OUTSIDE)] == [True, False, False]


def test_policies_add_up() -> None:
    everything = policy(egress=[{}])

    assert not admits([policy(), policy(egress=[])], POD, OUTSIDE, 443)
    assert admits([policy(), policy(egress=[]), everything], POD, OUTSIDE, 443)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "probe", "tier": "warm"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["probe"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["probe"]}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "zone", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_a_policy_applies_to_the_pods_that_it_selects(selector: dict[str, Any], selected: bool) -> None:
    assert admits([policy(podSelector=selector)], POD, OUTSIDE, 443) is not selected


@pytest.mark.parametrize(
    ("ports", "admitted"),
    [
        ([], True),
        ([{"port": 443}], True),
        ([{"protocol": "TCP"}], True),
        ([{"port": 80}, {"port": 443}], True),
        ([{"port": 400, "endPort": 500}], True),
        ([{"port": 80}], False),
        ([{"port": 400, "endPort": 442}], False),
        ([{"protocol": "UDP", "port": 443}], False),
        ([{"port": "https"}], False),
    ],
)
def test_a_rule_admits_its_tcp_ports(ports: list[dict[str, Any]], admitted: bool) -> None:
    assert admits([rule(ports=ports)], POD, INSIDE, 443) is admitted


@pytest.mark.parametrize("peers", [[{"namespaceSelector": {}}], [{"podSelector": {}}]])
def test_a_rule_for_pods_admits_no_address_outside_the_cluster(peers: list[dict[str, Any]]) -> None:
    assert not admits([rule(to=peers)], POD, INSIDE, 443)


def test_a_rule_without_peers_admits_every_address() -> None:
    assert admits([rule(to=[])], POD, OUTSIDE, 443)


def test_a_policy_without_types_is_one_of_egress_if_it_has_egress_rules() -> None:
    made = policy()
    del made["spec"]["policyTypes"]
    assert not admits([made], POD, OUTSIDE, 443)

    del made["spec"]["egress"]
    assert admits([made], POD, OUTSIDE, 443)
