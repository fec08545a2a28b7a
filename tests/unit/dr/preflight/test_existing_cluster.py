from typing import Any

import pytest

from dr.clients import Missing
from dr.errors import Invalid, Problem
from dr.preflight import existing_cluster
from dr.preflight.existing_cluster import ExistingCluster, find
from tests.support.builders import topology

SITE = topology().recovery
VPC = "vpc-0123456789abcdef0"
FOUND = {
    "status": "ACTIVE",
    "endpoint": "https://0123.gr7.us-west-2.eks.amazonaws.com",
    "arn": "arn:aws:eks:us-west-2:123456789012:cluster/theirs",
    "certificateAuthority": {"data": "UEVN"},
    "resourcesVpcConfig": {"vpcId": VPC, "clusterSecurityGroupId": "sg-theirs"},
}


class Eks:
    """Describes one cluster as EKS does."""

    def __init__(self, found: dict[str, Any] | None) -> None:
        self.found = found

    def describe_cluster(self, name: str) -> dict[str, Any]:
        if self.found is None:
            raise Missing(Problem(name, "no such cluster", "none"))
        return {"cluster": self.found}


@pytest.fixture
def eks(monkeypatch: pytest.MonkeyPatch) -> Eks:
    made = Eks(FOUND)
    monkeypatch.setattr(existing_cluster, "client", lambda service, region: made)
    return made


@pytest.mark.usefixtures("eks")
def test_active_cluster_in_the_configured_vpc_is_found() -> None:
    endpoint, arn = str(FOUND["endpoint"]), str(FOUND["arn"])

    assert find("theirs", VPC, SITE) == ExistingCluster("theirs", endpoint, arn, "UEVN", "sg-theirs")


def test_missing_existing_cluster_is_reported_with_the_region(eks: Eks) -> None:
    eks.found = None
    with pytest.raises(Invalid, match='dr:existingCluster: "theirs" is not in us-west-2'):
        find("theirs", VPC, SITE)


def test_vpc_mismatch_and_inactive_cluster_are_reported_together(eks: Eks) -> None:
    eks.found = {**FOUND, "status": "CREATING"}
    with pytest.raises(Invalid) as caught:
        find("theirs", "vpc-0fedcba9876543210", SITE)

    assert '"theirs" is CREATING' in str(caught.value)
    assert f'vpc-0fedcba9876543210 is configured, but "theirs" is in {VPC}' in str(caught.value)
    assert f"`pulumi config set dr:existingVpc {VPC}`" in str(caught.value)
