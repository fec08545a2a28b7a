from dataclasses import replace

import pytest

from dr.clusters import charts, versions
from dr.clusters.versions import TABLE, Versions, compared, newer_than_table, newest, skipped, to_deploy
from dr.findings import Status
from dr.preflight import offered_versions

NEXT = Versions("1.36", "1.36.0-20260601", {**TABLE.addons, "kube-proxy": "v1.36.0-eksbuild.17"})


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.35", "1.36"),
        ("1.9", "1.10"),
        ("1.35.2-20260304", "1.35.2-20260520"),
        ("1.35.4-20260520", "1.36.0-20260401"),
        ("v1.13.2-eksbuild.4", "v1.13.2-eksbuild.21"),
        ("", "v8.3.0-eksbuild.1"),
    ],
)
def test_versions_are_compared_by_their_numbers(older: str, newer: str) -> None:
    assert compared(older) < compared(newer)
    assert newest(older, newer) == newest(newer, older) == newer


def test_new_cluster_gets_the_versions_of_the_table() -> None:
    assert to_deploy(TABLE, Versions()) == TABLE
    assert list(newer_than_table(TABLE, Versions())) == []


def test_deployed_cluster_is_upgraded_to_the_next_version_of_the_table() -> None:
    assert to_deploy(NEXT, TABLE) == NEXT
    assert list(newer_than_table(NEXT, TABLE)) == []
    assert skipped(NEXT, TABLE) is None


def test_version_that_aws_upgraded_is_kept_with_a_warning() -> None:
    deployed = replace(TABLE, kubernetes="1.36", addons={**TABLE.addons, "coredns": "v1.14.3-eksbuild.14"})

    assert to_deploy(TABLE, deployed) == deployed
    kubernetes, coredns = newer_than_table(TABLE, deployed)
    assert kubernetes.startswith("Kubernetes: AWS runs 1.36, newer than 1.35 of dr/clusters/versions.py; it is kept")
    assert coredns.startswith("add-on coredns: AWS runs v1.14.3-eksbuild.14, newer than v1.13.2-eksbuild.4")


def test_upgrade_over_two_minor_versions_is_a_problem_with_the_next_step() -> None:
    problem = skipped(replace(NEXT, kubernetes="1.37"), TABLE)

    assert problem is not None
    assert problem.fact == "the cluster runs 1.35, and EKS upgrades by one minor version at a time"
    assert problem.remedy.startswith("deploy 1.36 first")


def test_parts_of_the_table_are_for_one_version_of_kubernetes() -> None:
    assert TABLE.node_version == TABLE.kubernetes
    assert compared(TABLE.addons["kube-proxy"])[:2] == compared(TABLE.kubernetes)
    assert f"9.59.0 has autoscaler {TABLE.kubernetes}." in (versions.__doc__ or "")


def test_each_chart_has_a_version_in_the_table() -> None:
    assert {chart.name: chart.version for chart in charts.CHARTS} == versions.CHARTS


def test_add_on_version_that_eks_does_not_offer_is_missed_with_its_newest() -> None:
    offered = {name: [version] for name, version in TABLE.addons.items()}
    (met,) = offered_versions.judge(TABLE, offered)
    (missed,) = offered_versions.judge(TABLE, offered | {"coredns": ["v1.9.1-eksbuild.1", "v1.14.3-eksbuild.14"]})

    assert (met.status, missed.status) == (Status.MET, Status.MISSED)
    assert missed.name == "add-on coredns"
    assert missed.measured.endswith("for Kubernetes 1.35; its newest is v1.14.3-eksbuild.14")
