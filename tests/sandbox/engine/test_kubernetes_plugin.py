"""The real engine and the Kubernetes plugin, with a test program, on a real API server.

The tests assert behaviour of the plugin that this project's program relies on or avoids (docs/sandbox.md).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from dr.clusters.charts import PROMETHEUS
from dr.errors import Failed
from sandbox import server_process
from sandbox.clusters.api import Api
from sandbox.clusters.manifests import owned, read
from sandbox.control_plane.control_plane import ControlPlane
from sandbox.emulator_client import ask
from sandbox.engine.engine import Engine
from sandbox.engine.environment import environment
from sandbox.engine.events import Changes
from sandbox.local import Local
from sandbox.server_process import Server
from sandbox.toolchain.programs import ensure_programs
from tests.support.control_plane import control_plane_in
from tests.support.hand import Hand, Manager
from tests.support.waiting import wait_for

pytestmark = pytest.mark.engine

RULES = {"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "up == 0", "for": "2m"}]}]}
CHART = {"name": PROMETHEUS.name, "version": PROMETHEUS.version, "repository": PROMETHEUS.repository}
PROJECT = "name: dr\nruntime: {name: python}\nmain: program.py\n"
RESOURCES = 9


@dataclass
class Deployed:
    """A stack of the test program, and its cluster."""

    engine: Engine
    plane: ControlPlane
    hand: Hand
    folder: Path
    server: Server
    wanted: dict[str, Any] = field(default_factory=dict)

    def want(self, **changes: Any) -> None:
        """Change the objects that the program describes."""
        self.wanted |= changes
        (self.folder / "wanted.json").write_text(json.dumps(self.wanted))

    def up(self, **changes: Any) -> Changes:
        self.want(**changes)
        return self.engine.up("test")

    def preview(self, **options: Any) -> Changes:
        return self.engine.preview("test", **options)

    def live(self, kind: str, name: str) -> dict[str, Any]:
        versions = {"Deployment": "apps/v1", "PrometheusRule": "monitoring.coreos.com/v1"}
        return self.hand.read(versions.get(kind, "v1"), kind, "deployed", name)

    @property
    def inputs(self) -> dict[str, Any]:
        """Return the state's resources by URN, without the secret: its ciphertext changes with each update."""
        found = self.engine.resources("test")
        return {
            each["urn"]: each["inputs"] for each in found if "inputs" in each and not each["urn"].endswith("::secret")
        }

    @property
    def nodes(self) -> dict[str, str]:
        """Return the node selector of the first Deployment's pods on the API server."""
        return dict(self.live("Deployment", "by-name")["spec"]["template"]["spec"]["nodeSelector"])

    @property
    def refused(self) -> list[str]:
        """Return the requested hosts that the emulator refused."""
        return list(ask(self.server, "GET", "refused"))

    @property
    def checkpoint(self) -> str:
        return self.engine.checkpoint("test").read_text()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("program")
    shutil.copy(Path(__file__).with_name("program.py"), folder / "program.py")
    (folder / "Pulumi.yaml").write_text(PROJECT)
    local, programs = Local(folder / "state", folder), ensure_programs(lambda text, share: None)
    server = server_process.start(local, owner=os.getpid())
    try:
        with control_plane_in(folder / "plane", programs.kubernetes) as plane:
            kubeconfig = plane.admin_kubeconfig.read_text()
            hand = Hand(Api.of_kubeconfig(kubeconfig))
            hand.node("here")
            engine = Engine(local, programs.engine, environment(local, server, programs.engine))
            deployed = Deployed(engine, plane, hand, folder, server)
            deployed.want(
                kubeconfig=kubeconfig,
                namespace="deployed",
                config_map="content",
                data={"A": "1"},
                secret="not-to-be-read",
                annotations={},
                replicas=2,
                nodes={"for": "here"},
                chart=CHART,
                kind="PrometheusRule",
                rules=RULES,
            )
            assert deployed.preview().counts == {"create": RESOURCES}
            assert deployed.up().counts == {"create": RESOURCES}
            yield deployed
    finally:
        server_process.stop(local)


def test_deployed_objects_exist_and_a_second_update_changes_nothing(deployed: Deployed) -> None:
    assert deployed.live("Deployment", "by-name")["status"]["availableReplicas"] == 2
    assert deployed.live("PrometheusRule", "alerts")["spec"] == RULES
    assert deployed.hand.read("v1", "Secret", "deployed", "sh.helm.release.v1.rules.v1")
    uid = deployed.hand.read("v1", "Namespace", "", "deployed")["metadata"]["uid"]
    assert deployed.engine.outputs("test") == {"uid": uid}
    assert deployed.preview().none
    assert deployed.preview(refresh=True).none
    assert deployed.engine.refresh("test").none
    assert deployed.up().none


def test_secret_is_not_in_the_state(deployed: Deployed) -> None:
    assert deployed.live("Secret", "secret")["data"] == {"word": "bm90LXRvLWJlLXJlYWQ="}
    assert "not-to-be-read" not in deployed.checkpoint
    assert "bm90LXRvLWJlLXJlYWQ" not in deployed.checkpoint


def test_every_object_is_read_back_as_in_the_cluster(deployed: Deployed) -> None:
    resources = deployed.engine.resources("test")
    assert owned(resources, "us-east-1") == []
    wanted = owned(resources, "sandbox")
    found, missing = read(wanted)
    assert missing == []
    kinds = [each["kind"] for each in found]
    assert kinds == ["Namespace", "Release", "ConfigMap", "Deployment", "Deployment", "PrometheusRule", "Secret"]
    listed = dict(zip(kinds, found, strict=True))
    assert listed["Deployment"]["spec"]["replicas"] == 2
    assert listed["Release"]["spec"] == {"chart": PROMETHEUS.name, "version": PROMETHEUS.version}
    assert listed["Secret"]["data"] == {"word": "(20 characters)"}
    text = json.dumps(found)
    assert "managedFields" not in text
    assert '"status"' not in text

    away = replace(wanted[0], id="not-there")
    assert read([away])[1] == [away]


def test_replaced_config_map_replaces_objects_that_use_its_output_but_not_its_name(deployed: Deployed) -> None:
    before = {name: deployed.live("Deployment", name)["metadata"]["uid"] for name in ("by-name", "by-output")}
    content = deployed.live("ConfigMap", "content")["metadata"]["uid"]
    deployed.want(data={"A": "2"})
    planned = {urn.rpartition("::")[2] for op, urn, _ in deployed.preview().changed if op == "replace"}
    assert planned == {"content", "by-output"}
    assert deployed.up().counts["replace"] == 2
    assert deployed.live("ConfigMap", "content")["data"] == {"A": "2"}
    assert deployed.live("ConfigMap", "content")["metadata"]["uid"] != content
    assert deployed.live("Deployment", "by-name")["metadata"]["uid"] == before["by-name"]
    assert deployed.live("Deployment", "by-output")["metadata"]["uid"] != before["by-output"]
    assert deployed.preview().none


def test_field_changed_by_kubectl_is_shown_by_preview_and_reverted_by_the_update(deployed: Deployed) -> None:
    deployed.hand.patch(deployed.live("Deployment", "by-name"), {"spec": {"replicas": 3}})
    deployed.want(replicas=1)
    with pytest.raises(Failed, match=r'conflict with "kubectl-edit" using apps/v1: \.spec\.replicas'):
        deployed.preview()
    assert deployed.up().counts["update"] == 2
    assert deployed.live("Deployment", "by-name")["spec"]["replicas"] == 1
    assert deployed.up(replicas=2).counts["update"] == 2


def test_field_of_another_manager_is_a_conflict_that_names_it_unless_forced(deployed: Deployed) -> None:
    deployed.hand.patch(deployed.live("Deployment", "by-name"), {"spec": {"replicas": 3}}, Manager.OTHER)
    deployed.want(replicas=1)
    for attempt in (deployed.preview, deployed.up):
        with pytest.raises(Failed, match=r'conflict with "other-manager" using apps/v1: \.spec\.replicas'):
            attempt()
    assert deployed.live("Deployment", "by-name")["spec"]["replicas"] == 3
    deployed.up(annotations={"pulumi.com/patchForce": "true"})
    assert deployed.live("Deployment", "by-name")["spec"]["replicas"] == 1
    deployed.up(replicas=2, annotations={})
    assert deployed.preview(refresh=True).none


def test_unready_object_fails_at_its_time_limit_and_the_next_update_continues(deployed: Deployed) -> None:
    with pytest.raises(Failed, match="'by-name' timed out waiting to be Ready"):
        deployed.up(nodes={"for": "no-such-node"}, annotations={"pulumi.com/timeoutSeconds": "4"})
    assert deployed.up(nodes={"for": "here"}, annotations={}).counts["update"] == 1
    assert deployed.preview().none


def test_custom_resource_that_its_schema_refuses_fails_the_preview(deployed: Deployed) -> None:
    deployed.want(rules={"groups": [{"name": "a", "rules": [{"alert": "A"}]}]})
    try:
        with pytest.raises(Failed, match=r"spec\.groups\[0\]\.rules\[0\]\.expr: Required value"):
            deployed.preview()
    finally:
        deployed.want(rules=RULES)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "0.0.1"}, f'chart "{PROMETHEUS.name}" version "0.0.1" not found in {PROMETHEUS.repository}'),
        ({"name": "absent"}, f'chart "absent" version "{PROMETHEUS.version}" not found in {PROMETHEUS.repository}'),
    ],
)
def test_chart_missing_in_its_repository_fails_the_preview(
    deployed: Deployed, change: dict[str, Any], reason: str
) -> None:
    deployed.want(chart={**CHART, **change})
    try:
        for attempt in (deployed.preview, deployed.up):
            with pytest.raises(Failed, match=re.escape(reason)):
                attempt()
    finally:
        deployed.want(chart=CHART)
    assert deployed.up().none


def test_chart_of_a_host_outside_the_sandbox_is_refused_and_the_host_recorded(deployed: Deployed) -> None:
    assert deployed.refused == []
    deployed.want(chart={**CHART, "repository": "https://charts.example.com"})
    try:
        with pytest.raises(Failed, match=r'Get "https://charts\.example\.com/index\.yaml": Forbidden'):
            deployed.preview()
    finally:
        deployed.want(chart=CHART)
    assert deployed.refused == ["charts.example.com"]


def test_unknown_value_of_a_chart_fails_the_update(deployed: Deployed) -> None:
    deployed.want(chart={**CHART, "values": {"prometeus": {}}})
    try:
        with pytest.raises(Failed, match=r"additional properties 'prometeus' not allowed"):
            deployed.up()
    finally:
        deployed.want(chart=CHART)
    assert deployed.up().none


@pytest.mark.thorough  # the plugin waits a minute for the definition to come
def test_kind_without_a_definition_fails_the_update_and_names_it(deployed: Deployed) -> None:
    deployed.want(kind="PrometheusRules")
    try:
        with pytest.raises(
            Failed, match=r'no matches for kind "PrometheusRules" in version "monitoring\.coreos\.com/v1"'
        ):
            deployed.up()
    finally:
        deployed.want(kind="PrometheusRule")
    deployed.up()
    assert deployed.preview().none


def test_object_that_exists_with_other_content_is_not_overwritten(deployed: Deployed) -> None:
    theirs = {"name": "theirs", "namespace": "deployed"}
    deployed.hand.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": theirs, "data": {"A": "by hand"}})
    deployed.want(config_map="theirs")
    try:
        with pytest.raises(Failed, match=r'"other-manager" using v1: \.data\.A|already exists'):
            deployed.up()
    finally:
        deployed.want(config_map="content")
    assert deployed.live("ConfigMap", "theirs")["data"] == {"A": "by hand"}
    deployed.up()
    assert deployed.preview().none


def test_plugin_ends_with_a_killed_engine_and_the_next_update_continues(deployed: Deployed) -> None:
    deployed.want(nodes={"for": "no-such-node"}, annotations={"pulumi.com/timeoutSeconds": "300"})
    pulumi = str(deployed.engine.toolchain.pulumi)
    command = [pulumi, "up", "--yes", "--skip-preview", "--non-interactive", "-s", "test"]
    variables = {**os.environ, **deployed.engine.variables}
    process = subprocess.Popen(
        command, cwd=deployed.folder, env=variables, stdout=subprocess.DEVNULL, start_new_session=True
    )
    wait_for(
        lambda: (
            deployed.live("Deployment", "by-name")["spec"]["template"]["spec"]["nodeSelector"]["for"] == "no-such-node"
        )
    )
    plugins = [each for each in psutil.Process(process.pid).children() if each.name() == "pulumi-resource-kubernetes"]
    process.kill()
    process.wait()
    assert plugins
    _, alive = psutil.wait_procs(plugins, timeout=30)
    assert alive == []
    deployed.up(nodes={"for": "here"}, annotations={})
    assert deployed.preview().none


def test_unreachable_cluster_passes_preview_fails_an_update_and_keeps_the_state(deployed: Deployed) -> None:
    """The plugin reports nothing at preview; the program's preflight does (dr/preflight/cluster_reachability.py)."""
    before = deployed.inputs
    deployed.plane.pause()
    try:
        deployed.want(replicas=1)
        assert deployed.preview().warnings == ()
        with pytest.raises(Failed, match="unreachable"):
            deployed.up()
        assert deployed.inputs == before
    finally:
        deployed.plane.resume()
    assert deployed.up().counts["update"] == 2
    assert deployed.up(replicas=2).counts["update"] == 2


def test_destroy_removes_all_but_the_definitions_of_charts(deployed: Deployed) -> None:
    assert deployed.engine.destroy("test").counts == {"delete": RESOURCES}
    assert deployed.hand.find("v1", "Namespace", "", "deployed") is None
    definition = "prometheusrules.monitoring.coreos.com"
    assert deployed.hand.find("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", definition)
