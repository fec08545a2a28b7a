"""An upgrade from the table's version of Kubernetes to the next, and back to the older table.

Runs last in its folder: the recovery region's cluster keeps the newer version.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dr.clusters.versions import TABLE
from sandbox.local import ROOT
from tests.support.network import WEST
from tests.support.sandbox import SandboxUnderTest

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

FILES = ("Pulumi.yaml", "Pulumi.primary.yaml", "Pulumi.dr.yaml", "__main__.py", "dr", "components", "stacks")
NEXT = {
    f'kubernetes="{TABLE.kubernetes}"': 'kubernetes="1.36"',
    f'node_release="{TABLE.node_release}"': 'node_release="1.36.0-20261101"',
    f'"kube-proxy": "{TABLE.addons["kube-proxy"]}"': '"kube-proxy": "v1.36.0-eksbuild.17"',
}
"""The lines of the table that an upgrade changes."""


@pytest.fixture
def next_program(deployed: SandboxUnderTest, tmp_path: Path) -> Iterator[SandboxUnderTest]:
    """The deployment, with a copy of the program that has the next versions in its table."""
    for name in FILES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    table = tmp_path / "dr/clusters/versions.py"
    text = table.read_text()
    for old, new in NEXT.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    table.write_text(text)
    project = deployed.local.project / "Pulumi.yaml"
    before = project.read_text()
    project.write_text(before.replace(f'main: "{ROOT}"', f'main: "{tmp_path}"'))
    yield deployed
    project.write_text(before)


def versions(deployed: SandboxUnderTest) -> tuple[str, set[str], str]:
    """Return the versions of the recovery region's control plane, nodes and kube-proxy."""
    eks = deployed.client("eks", WEST)
    groups = eks.list_nodegroups(clusterName="ml-dr")["nodegroups"]
    nodes = {
        eks.describe_nodegroup(clusterName="ml-dr", nodegroupName=name)["nodegroup"]["releaseVersion"]
        for name in groups
    }
    proxy = eks.describe_addon(clusterName="ml-dr", addonName="kube-proxy")["addon"]["addonVersion"]
    return eks.describe_cluster(name="ml-dr")["cluster"]["version"], nodes, proxy


def test_table_with_the_next_version_upgrades_in_place_and_the_older_table_downgrades_nothing(
    next_program: SandboxUnderTest,
) -> None:
    engine = next_program.engine
    assert versions(next_program) == (TABLE.kubernetes, {TABLE.node_release}, TABLE.addons["kube-proxy"])
    changes = engine.up("dr")
    upgraded = ("1.36", {"1.36.0-20261101"}, "v1.36.0-eksbuild.17")

    assert changes.counts.keys() <= {"update", "same"}, changes.counts
    assert versions(next_program) == upgraded
    assert engine.up("dr").none

    project = next_program.local.project / "Pulumi.yaml"
    project.write_text(project.read_text().replace(project.read_text().split('main: "')[1].split('"')[0], str(ROOT)))
    back = engine.up("dr")
    assert back.none
    assert versions(next_program) == upgraded
    warned = "\n".join(map(str, back.warnings))
    assert "Kubernetes: AWS runs 1.36, newer than 1.35 of dr/clusters/versions.py; it is kept" in warned
