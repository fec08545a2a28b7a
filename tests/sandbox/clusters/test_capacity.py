"""Instances that an Auto Scaling group launches and terminates, and the share of a node that a pod needs."""

from __future__ import annotations

import pytest

from sandbox.clusters.capacity import Launch, Machine, launches, surplus, uneven, zones_to_fill
from sandbox.clusters.placement import share

ZONES = ["a", "b", "c"]


def machines(zones: str, old: str = "") -> list[Machine]:
    """Instances by zone in order of age; those with a number in `old` have an old template version."""
    return [Machine(f"i-{at}", zone, at, str(at) not in old) for at, zone in enumerate(zones)]


@pytest.mark.parametrize(
    ("held", "count", "expected"),
    [("", 6, "abcabc"), ("aab", 3, "cbc"), ("abc", 0, ""), ("aabbcc", 1, "a"), ("abc", -2, "")],
)
def test_new_instances_balance_the_zones(held: str, count: int, expected: str) -> None:
    assert zones_to_fill(ZONES, machines(held), count) == list(expected)


def test_instances_of_a_lost_zone_are_spread_over_the_others() -> None:
    assert zones_to_fill(["b", "c"], machines("bbcc"), 2) == ["b", "c"]
    assert zones_to_fill([], machines(""), 2) == []


def test_the_first_instance_type_with_capacity_is_launched() -> None:
    types = ["g5.2xlarge", "g6.2xlarge"]

    assert launches(["a"], types, lambda zone, name: True) == [Launch("a", "g5.2xlarge")]
    assert launches(["a"], types, lambda zone, name: name != "g5.2xlarge") == [Launch("a", "g6.2xlarge")]
    assert launches(["a"], types, lambda zone, name: False) == []
    assert launches(["a", "b"], types, lambda zone, name: zone == "b") == [Launch("b", "g5.2xlarge")]


@pytest.mark.parametrize(
    ("held", "old", "count", "expected"),
    [
        ("aabc", "", 1, ["i-0"]),
        ("abbc", "2", 1, ["i-2"]),
        ("abc", "", 2, ["i-0", "i-1"]),
        ("aaab", "", 2, ["i-0", "i-1"]),
        ("a", "", 3, ["i-0"]),
    ],
)
def test_surplus_is_terminated_by_zone_then_template_then_age(
    held: str, old: str, count: int, expected: list[str]
) -> None:
    assert [machine.id for machine in surplus(machines(held, old), count)] == expected


@pytest.mark.parametrize(
    ("zones", "held", "expected"),
    [
        ("abc", "aabbcc", False),
        ("abc", "aabbc", False),
        ("abc", "aaabbb", True),
        ("ab", "aab", False),
        ("", "a", False),
    ],
)
def test_a_group_is_uneven_if_a_zone_has_two_instances_fewer(zones: str, held: str, expected: bool) -> None:
    assert uneven(list(zones), machines(held)) is expected


GROUP = {
    "instanceTypes": ["g5.2xlarge"],
    "labels": {"pool": "gpu"},
    "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
}
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("requests", "spec", "expected"),
    [
        ({"nvidia.com/gpu": "1"}, {}, 1.0),
        ({"nvidia.com/gpu": "2"}, {}, None),
        ({"cpu": "3955m"}, {}, 0.5),
        ({"nvidia.com/gpu": "1"}, {"nodeSelector": {"pool": "system"}}, None),
        ({"nvidia.com/gpu": "1"}, {"tolerations": []}, None),
        ({"nvidia.com/gpu": "1"}, {"tolerations": [{"key": "nvidia.com/gpu", "value": "absent"}]}, None),
    ],
)
def test_a_pod_fits_a_group_by_labels_taints_and_resources(
    requests: dict[str, str], spec: dict[str, object], expected: float | None
) -> None:
    pod = {"spec": {"containers": [{"resources": {"requests": requests}}], "tolerations": [TOLERATION]} | spec}

    assert share(pod, GROUP) == expected
