from dataclasses import replace
from typing import Any

import pytest

from dr.findings import Finding, Status
from dr.preflight import zones
from dr.topology.topology import Role, Topology
from tests.support.builders import topology as build

TYPES = ["g5.2xlarge", "g6.2xlarge", "m6i.large", "m7i.large"]
IDS = {"a": "use1-az6", "b": "use1-az1", "c": "use1-az2", "d": "use1-az4", "e": "use1-az3"}
ZONES = {
    f"us-east-1{letter}": {"ZoneId": id, "State": "available", "ZoneType": "availability-zone"}
    for letter, id in IDS.items()
}


def judged(letters: str = "abc", offered: dict[str, list[str]] | None = None, **changes: Any) -> list[Finding]:
    """Judge zones of the primary region, all of which offer all types except as given by letter."""
    made = build(Role.PRIMARY)
    here = replace(made.primary, zones=tuple(f"us-east-1{letter}" for letter in letters))
    topology: Topology = replace(made, primary=here, **changes)
    types = {zone: (offered or {}).get(zone[-1], TYPES) for zone in ZONES}
    return list(zones.judge(topology, ZONES, types))


def missed(findings: list[Finding]) -> Finding:
    (found,) = [each for each in findings if each.status is Status.MISSED]
    return found


def test_zones_that_offer_all_types_are_met_with_their_zone_ids() -> None:
    assert [(each.name, each.status) for each in judged()] == [
        ("zone us-east-1a (use1-az6)", Status.MET),
        ("zone us-east-1b (use1-az1)", Status.MET),
        ("zone us-east-1c (use1-az2)", Status.MET),
    ]


def test_zone_that_the_account_does_not_have_is_missed_with_those_it_has() -> None:
    found = missed(judged("abg"))

    assert found.measured == "us-east-1g is not a zone of account 123456789012"
    assert found.hint == "set dr:primaryZones to zones of us-east-1a, us-east-1b, us-east-1c, us-east-1d"


def test_zone_in_which_eks_places_no_control_plane_is_missed_unless_the_cluster_exists() -> None:
    assert missed(judged("abe")).name == "zone us-east-1e (use1-az3)"
    assert missed(judged("abe")).measured == "EKS does not place a control plane in this zone"
    assert {each.status for each in judged("abe", existing_cluster="theirs", existing_vpc="vpc-1")} == {Status.MET}


def test_zone_that_offers_no_gpu_type_is_missed_with_zones_that_do() -> None:
    found = missed(judged("abd", {"d": ["m6i.large"], "c": ["m6i.large"]}))

    assert found.measured == "EC2 offers none of g5.2xlarge, g6.2xlarge there"
    assert found.hint.endswith("or set dr:primaryZones to zones of us-east-1a, us-east-1b, us-east-1e")


def test_zone_without_one_of_several_gpu_types_is_met_and_names_it() -> None:
    found = judged("abd", {"d": ["g6.2xlarge", "m7i.large"]})[2]

    assert (found.status, found.measured) == (Status.MET, "usable, without g5.2xlarge, which EC2 does not offer there")


def test_zone_without_the_reserved_gpu_type_is_missed() -> None:
    found = missed(judged("dab", {"d": ["g6.2xlarge", "m7i.large"]}, reserved_gpu_nodes=1))

    assert "EC2 does not offer g5.2xlarge there, of which dr:reservedGpuNodes reserves capacity" in found.measured


def test_zone_without_a_type_of_system_nodes_is_missed_unless_the_cluster_exists() -> None:
    without = {"c": ["g5.2xlarge", "g6.2xlarge"]}

    assert "none of m6i.large, m7i.large there" in missed(judged("abc", without)).measured
    existing = judged("abc", without, existing_cluster="theirs", existing_vpc="vpc-1")
    assert {each.status for each in existing} == {Status.MET}


@pytest.mark.parametrize(
    ("change", "reason"), [({"State": "impaired"}, "is impaired"), ({"ZoneType": "local-zone"}, "is a local-zone, and")]
)
def test_zone_that_is_not_an_available_availability_zone_is_missed(
    change: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ZONES, "us-east-1c", {**ZONES["us-east-1c"], **change})

    assert missed(judged()).measured.startswith(reason)
