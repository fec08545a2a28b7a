"""The real engine, with a program of its own, on a real API server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dr.errors import Failed
from sandbox.engine import Changes, Engine, environment
from sandbox.kubernetes.binaries import Binaries
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.control_plane import ControlPlane
from sandbox.kubernetes.manifests import owned, read
from sandbox.kubernetes.settings import Settings
from sandbox.local import Local
from sandbox.server_process import Server
from sandbox.toolchain import ensure_pulumi
from tests.integration.kubernetes_plugin.harness import By, Hand
from tests.support.control_plane import NOBODY

pytestmark = pytest.mark.engine

RULES = {"groups": [{"name": "a", "rules": [{"alert": "A", "expr": "up == 0", "for": "2m"}]}]}
PROJECT = "name: dr\nruntime: {name: python}\nmain: program.py\n"


@dataclass
class Deployed:
    """A stack of the program, and its cluster."""

    engine: Engine
    plane: ControlPlane
    hand: Hand
    folder: Path
    wanted: dict[str, Any] = field(default_factory=dict)

    def want(self, **changes: Any) -> None:
        """Change what the program asks for."""
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
        """Of all resources in the state, by URN; not of the secret, whose cipher is another each time."""
        found = self.engine.resources("test")
        return {
            each["urn"]: each["inputs"] for each in found if "inputs" in each and not each["urn"].endswith("::secret")
        }

    @property
    def checkpoint(self) -> str:
        return self.engine.checkpoint("test").read_text()


@pytest.fixture(scope="module")
def deployed(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("program")
    shutil.copy(Path(__file__).with_name("program.py"), folder / "program.py")
    (folder / "Pulumi.yaml").write_text(PROJECT)
    local, toolchain = Local(folder / "state", folder), ensure_pulumi(lambda text, share: None)
    nowhere = Server(pid=0, endpoint="http://127.0.0.1:9", run="", started="")
    plane = ControlPlane("us-east-1", folder / "plane", binaries, NOBODY, speed=60)
    plane.start()
    try:
        kubeconfig = plane.admin_kubeconfig.read_text()
        hand = Hand(Cluster(Settings(kubeconfig=kubeconfig).access()))
        hand.node("here")
        engine = Engine(local, toolchain, environment(local, nowhere, toolchain))
        deployed = Deployed(engine, plane, hand, folder)
        deployed.want(
            kubeconfig=kubeconfig,
            namespace="deployed",
            data={"A": "1"},
            secret="not-to-be-read",
            annotations={},
            replicas=2,
            nodes={"for": "here"},
            rules=RULES,
        )
        assert deployed.preview().counts == {"create": 8}
        assert deployed.up().counts == {"create": 8}
        yield deployed
    finally:
        plane.stop()


def test_what_is_deployed_is_there_and_a_second_update_changes_nothing(deployed: Deployed) -> None:
    assert deployed.live("Deployment", "server")["status"]["availableReplicas"] == 2
    assert deployed.live("PrometheusRule", "alerts")["spec"] == RULES
    assert deployed.hand.read("v1", "Secret", "deployed", "sh.helm.release.v1.rules.v1")
    uid = deployed.hand.read("v1", "Namespace", "", "deployed")["metadata"]["uid"]
    assert deployed.engine.outputs("test") == {"uid": uid}
    assert deployed.preview().none
    assert deployed.preview(refresh=True).none
    assert deployed.engine.refresh("test").none
    assert deployed.up().none


def test_a_secret_is_in_no_state(deployed: Deployed) -> None:
    assert deployed.live("Secret", "secret")["data"] == {"word": "bm90LXRvLWJlLXJlYWQ="}
    assert "not-to-be-read" not in deployed.checkpoint
    assert "bm90LXRvLWJlLXJlYWQ" not in deployed.checkpoint


def test_every_object_is_listed_as_the_cluster_has_it(deployed: Deployed) -> None:
    resources = deployed.engine.resources("test")
    assert owned(resources, "us-east-1") == []
    wanted = owned(resources, "sandbox")
    found, missing = read(wanted)
    assert missing == []
    kinds = [each["kind"] for each in found]
    assert kinds == ["Namespace", "Release", "ConfigMap", "Deployment", "PrometheusRule", "Secret"]
    listed = dict(zip(kinds, found, strict=True))
    assert listed["Deployment"]["spec"]["replicas"] == 2
    assert listed["Release"]["spec"] == {"chart": "prometheus-operator-crds", "version": "24.0.0"}
    assert listed["Secret"]["data"] == {"word": "(20 characters)"}
    text = json.dumps(found)
    assert "managedFields" not in text
    assert '"status"' not in text

    away = replace(wanted[0], id="not-there")
    assert read([away])[1] == [away]


def test_a_config_map_is_replaced_and_what_uses_it_is_not(deployed: Deployed) -> None:
    before = deployed.live("ConfigMap", "content")["metadata"]["uid"]
    server = deployed.live("Deployment", "server")["metadata"]["uid"]
    deployed.want(data={"A": "2"})
    planned = [(op, keys) for op, urn, keys in deployed.preview().changed if urn.endswith("::content")]
    assert ("replace", ["data.A"]) in planned
    assert planned[0][0] == "delete-replaced", "two of one name cannot be"
    assert deployed.up().counts["replace"] == 1
    content = deployed.live("ConfigMap", "content")
    assert content["data"] == {"A": "2"}
    assert content["metadata"]["uid"] != before
    assert deployed.live("Deployment", "server")["metadata"]["uid"] == server
    assert deployed.preview().none


def test_an_edit_by_hand_is_drift_and_a_conflict_that_is_taken_over_by_force(deployed: Deployed) -> None:
    deployed.hand.patch(deployed.live("Deployment", "server"), {"spec": {"replicas": 3}})
    for attempt in (lambda: deployed.preview(refresh=True), lambda: deployed.up(replicas=1)):
        with pytest.raises(Failed, match=r"spec\.replicas is held by kubectl-edit"):
            attempt()
    assert deployed.engine.refresh("test").counts == {"same": 7, "update": 1}
    assert deployed.live("Deployment", "server")["spec"]["replicas"] == 3
    assert deployed.up(replicas=1, annotations={"pulumi.com/patchForce": "true"}).counts["update"] == 1
    assert deployed.live("Deployment", "server")["spec"]["replicas"] == 1
    assert deployed.up(replicas=2, annotations={}).counts["update"] == 1
    assert deployed.preview(refresh=True).none


def test_what_does_not_become_ready_fails_with_the_reason_and_the_next_update_goes_on(deployed: Deployed) -> None:
    with pytest.raises(Failed) as caught:
        deployed.up(nodes={"for": "nobody"}, annotations={"pulumi.com/timeoutSeconds": "4"})
    assert "Unschedulable: 0/1 nodes are available" in str(caught.value)
    assert deployed.up(nodes={"for": "here"}, annotations={}).counts["update"] == 1
    assert deployed.preview().none


def test_what_the_schema_of_a_custom_resource_refuses_is_shown_at_preview(deployed: Deployed) -> None:
    deployed.want(rules={"groups": [{"name": "a", "rules": [{"alert": "A"}]}]})
    try:
        with pytest.raises(Failed, match=r"spec\.groups\[0\]\.rules\[0\]\.expr: Required value"):
            deployed.preview()
    finally:
        deployed.want(rules=RULES)


def test_a_cluster_that_is_away_warns_at_preview_fails_an_update_and_keeps_the_state(deployed: Deployed) -> None:
    before = deployed.inputs
    deployed.plane.pause()
    try:
        deployed.want(replicas=1)
        planned = deployed.preview()
        assert planned.counts["update"] == 1
        (warning,) = planned.warnings
        assert f"the cluster cannot be reached ({deployed.plane.endpoint})" in warning
        assert "neither what its API server would refuse nor what was changed by hand" in warning
        with pytest.raises(Failed, match="nothing was changed, and the next `up` goes on from here"):
            deployed.up()
        assert deployed.inputs == before
    finally:
        deployed.plane.resume()
    assert deployed.up().counts["update"] == 1
    assert deployed.up(replicas=2).counts["update"] == 1


def test_what_is_destroyed_is_gone(deployed: Deployed) -> None:
    hold = {"metadata": {"finalizers": ["example.com/hold"]}}
    deployed.hand.patch(deployed.live("ConfigMap", "content"), hold, By.SOMEBODY)
    deployed.hand.patch(deployed.live("ConfigMap", "content"), {"metadata": {"finalizers": None}}, By.SOMEBODY)
    assert deployed.engine.destroy("test").counts == {"delete": 8}
    assert deployed.hand.find("v1", "Namespace", "", "deployed") is None
