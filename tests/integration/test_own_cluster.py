"""The cluster that a stack created, read from EKS, EC2 and STS."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dr import clients
from dr.clusters import versions
from dr.clusters.versions import TABLE
from dr.errors import Refused
from dr.findings import Status
from dr.preflight import offered_versions, own_cluster, zones
from dr.preflight.check import Subject
from dr.preflight.own_cluster import OwnCluster, same_role
from dr.topology.topology import Role, Topology
from sandbox.local import ROOT
from sandbox.server import Running
from tests.support.builders import topology as build

REGION, PLATFORM = "us-west-2", "arn:aws:iam::123456789012:role/team/platform"
TAGS = {"workload": "ml-dr"}


def recovery(letters: str = "abc") -> Topology:
    made = replace(build(Role.RECOVERY), operator_roles=(PLATFORM,))
    return replace(made, recovery=replace(made.recovery, zones=tuple(f"{REGION}{letter}" for letter in letters)))


def create_cluster(aws: Running, letters: str = "ab") -> None:
    """Create a cluster with the credentials of the caller, and its role."""
    ec2, trust = aws.client("ec2", REGION), {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}}
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ids = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate(letters)
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]})
    role = aws.client("iam", REGION).create_role(RoleName="cluster", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    clients.client("eks", REGION).create_cluster(
        name="ml-dr",
        version=TABLE.kubernetes,
        roleArn=role,
        resourcesVpcConfig={"subnetIds": ids},
        accessConfig={"authenticationMode": "API"},
    )


@pytest.fixture
def as_platform(aws: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call AWS as a session of the operator role."""
    aws.client("iam", REGION).create_role(RoleName="platform", Path="/team/", AssumeRolePolicyDocument="{}")
    session = aws.client("sts", REGION).assume_role(RoleArn=PLATFORM, RoleSessionName="ada")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", session["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", session["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", session["SessionToken"])
    clients.forget()


@pytest.mark.usefixtures("as_platform")
def test_operator_role_that_will_create_the_cluster_gets_its_entry_from_eks() -> None:
    assert own_cluster.find(recovery()) == OwnCluster(foreign_roles=(PLATFORM,))


@pytest.mark.usefixtures("aws")
def test_operator_role_gets_an_entry_from_the_program_if_another_principal_creates_the_cluster() -> None:
    assert own_cluster.find(recovery()) == OwnCluster()


@pytest.mark.usefixtures("as_platform")
def test_operator_role_that_created_the_cluster_keeps_the_entry_of_eks(aws: Running) -> None:
    create_cluster(aws)

    assert own_cluster.find(recovery("ab")) == OwnCluster((f"{REGION}a", f"{REGION}b"), (PLATFORM,))


def test_operator_role_with_an_entry_of_the_program_keeps_it(aws: Running) -> None:
    create_cluster(aws)
    clients.client("eks", REGION).create_access_entry(clusterName="ml-dr", principalArn=PLATFORM, tags=TAGS)

    assert own_cluster.find(recovery("ab")).foreign_roles == ()


def test_new_zone_is_not_one_of_the_control_plane(aws: Running) -> None:
    create_cluster(aws, "ab")

    assert own_cluster.find(recovery("abc")).zones == (f"{REGION}a", f"{REGION}b")


def test_zone_of_the_control_plane_that_is_not_configured_is_refused_with_the_fix(aws: Running) -> None:
    create_cluster(aws, "abc")
    with pytest.raises(Refused) as caught:
        own_cluster.find(recovery("ab"))

    text = str(caught.value)
    assert (
        "dr:recoveryZones: us-west-2c is not named, but cluster ml-dr has its control plane in us-west-2a, us" in text
    )
    assert "set dr:recoveryZones to us-west-2a,us-west-2b,us-west-2c" in text


def test_version_that_eks_upgraded_is_kept_with_a_warning(aws: Running) -> None:
    create_cluster(aws)
    clients.client("eks", REGION).update_cluster_version(name="ml-dr", version="1.36")
    found = own_cluster.find(recovery("ab"))

    assert found.versions == replace(TABLE, kubernetes="1.36")
    assert [text.partition(",")[0] for text in found.warnings] == ["Kubernetes: AWS runs 1.36"]


def test_table_two_versions_ahead_of_the_cluster_is_refused(aws: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    create_cluster(aws)
    monkeypatch.setattr(versions, "TABLE", replace(TABLE, kubernetes="1.37"))
    with pytest.raises(Refused, match=r"Kubernetes 1.37: the cluster runs 1.35, and EKS upgrades by one minor version"):
        own_cluster.find(recovery("ab"))


@pytest.mark.usefixtures("aws")
def test_eks_offers_the_add_ons_of_the_table() -> None:
    (found,) = offered_versions.look(Subject(recovery("ab"), "dr", ROOT))

    assert (found.status, found.measured) == (Status.MET, "offered for Kubernetes 1.35")


@pytest.mark.usefixtures("aws")
def test_zones_are_judged_by_what_ec2_of_the_region_offers() -> None:
    found = list(zones.look(Subject(recovery("abd"), "dr", ROOT)))

    assert [each.status for each in found] == [Status.MET] * 3
    assert found[2].name == "zone us-west-2d (usw2-az4)"
    assert found[2].measured == "usable, without g5.2xlarge, which EC2 does not offer there"


@pytest.mark.parametrize(
    ("role", "caller", "same"),
    [
        (PLATFORM, "arn:aws:sts::123456789012:assumed-role/platform/ada", True),
        (PLATFORM, "arn:aws:sts::123456789012:assumed-role/platform-2/ada", False),
        (PLATFORM, "arn:aws:sts::210987654321:assumed-role/platform/ada", False),
        (PLATFORM, "arn:aws:iam::123456789012:user/platform", False),
    ],
)
def test_session_is_compared_with_its_role_by_account_and_name(role: str, caller: str, same: bool) -> None:
    assert same_role(role, caller) is same
