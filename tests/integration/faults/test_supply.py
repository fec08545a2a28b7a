"""With `dr:supply` `mirror`, the recovery region deploys, scales, rolls out and starts replicas with itself alone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dr.errors import Failed
from dr.supply.lock import FILE
from dr.topology.serving import FETCHER, NAMESPACE, SERVICE
from sandbox.emulator_client import ask
from tests.support import dr_command
from tests.support.deployment import BY_DIGEST
from tests.support.drill import Cluster
from tests.support.sandbox import STACKS, SandboxUnderTest, warned
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

EAST, WEST = "us-east-1", "us-west-2"
OWN = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ml-dr/"
DRILL = "dr-drill"
CONDITIONS = ("isolation", "images", "models", "answers", "traffic", "operation")


def dr(sandbox: SandboxUnderTest, *arguments: str) -> Any:
    """Run a command of `dr` in the sandbox's shell, and return what it prints as JSON."""
    command = [str(sandbox.local.commands / "dr"), *arguments, "--json"]
    variables = {**os.environ, **sandbox.engine.variables}
    done = subprocess.run(
        command, env=variables, cwd=sandbox.local.project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def hosts(sandbox: SandboxUnderTest) -> dict[str, int]:
    """Return the connections to publishers and registries so far, by host; also those that failed."""
    return dict(ask(sandbox.server, "GET", "hosts"))


def ready(cluster: Cluster) -> list[Any]:
    """Return the inference pods that are ready and not being deleted."""
    return [
        pod
        for pod in cluster.pods()
        if any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())
    ]


def images(pod: Any) -> set[str]:
    """Return the images of a pod's containers."""
    return {each.image for each in (*pod.spec.init_containers, *pod.spec.containers)}


@pytest.fixture(scope="module")
def mirrored(deployment: SandboxUnderTest) -> Iterator[SandboxUnderTest]:
    """Both stacks with the registries of their regions; afterwards with those of the publishers, as before."""
    for stack in STACKS:
        # No publisher has the digests of the other tests.
        deployment.configure(stack, supply="mirror", **dict.fromkeys(BY_DIGEST))
    dr(deployment, "supply", "sync")
    for stack in STACKS:
        deployment.engine.up(stack)
    yield deployment
    deployment.repair()
    deployment.measure()
    for stack in STACKS:
        deployment.configure(stack, supply=None, tier=None, maxRequestMib=None, **BY_DIGEST)
        deployment.engine.up(stack)
    (deployment.local.project / FILE).unlink()


@pytest.fixture
def alone(mirrored: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxUnderTest]:
    """The recovery region alone: the primary region, the global control planes and all publishers are lost."""
    for name, value in mirrored.engine.variables.items():
        monkeypatch.setenv(name, value)
    mirrored.lose(EAST)
    mirrored.fault(kind="publishers")
    yield mirrored
    mirrored.repair()


def test_registries_hold_everything_after_sync(mirrored: SandboxUnderTest) -> None:
    assert {each["state"] for each in dr(mirrored, "supply", "check")["regions"]} == {"complete"}


@pytest.mark.parametrize("stack", STACKS)
def test_next_preview_shows_no_change_and_no_warning(mirrored: SandboxUnderTest, stack: str) -> None:
    changes = mirrored.engine.preview(stack)

    assert changes.none
    assert [each for each in changes.warnings if "images" in each] == []
    assert warned(changes) == ()


def test_charts_are_files_in_the_state_and_have_no_repository(mirrored: SandboxUnderTest) -> None:
    releases = [each for each in mirrored.engine.resources("dr") if each["type"] == "kubernetes:helm.sh/v3:Release"]

    assert releases
    for release in releases:
        chart = release["inputs"]["chart"]
        assert chart.startswith(".local/charts/")
        assert not Path(chart).is_absolute()
        assert not release["inputs"].get("repositoryOpts")


def test_recovery_region_raises_its_tier_and_rolls_out_without_anything_outside_the_region(
    alone: SandboxUnderTest,
) -> None:
    before, mark = hosts(alone), alone.mark()
    alone.configure("dr", tier="warm")

    alone.engine.up("dr")

    cluster = Cluster(alone, WEST)
    started = ready(cluster)
    assert len(started) == 3
    assert all(image.startswith(f"{OWN}serving@sha256:") for pod in started for image in images(pod))
    # A new replica.
    name = started[0].metadata.name
    cluster.core.delete_namespaced_pod(name, NAMESPACE)
    wait_for(lambda: len(ready(cluster)) == 3 and name not in {pod.metadata.name for pod in ready(cluster)})
    # A rollout: the configuration of the proxy is part of the pod.
    old = {pod.metadata.uid for pod in ready(cluster)}
    alone.configure("dr", maxRequestMib=8)
    alone.engine.up("dr")
    wait_for(lambda: len(ready(cluster)) == 3 and not old & {pod.metadata.uid for pod in ready(cluster)})

    assert hosts(alone) == before
    assert {call["target"] for call in alone.calls(mark) if call["status"] not in (0, 503)} <= {WEST}
    assert ask(alone.server, "GET", "refused") == []


def test_image_that_the_region_lacks_is_refused_at_preview_and_not_pulled(mirrored: SandboxUnderTest) -> None:
    image = json.loads((mirrored.local.project / FILE).read_text())["images"]
    digest = next(iter(digest for name, digest in image.items() if "karpenter" in name))
    ecr = mirrored.client("ecr", WEST)
    ecr.batch_delete_image(repositoryName="ml-dr/addons", imageIds=[{"imageDigest": digest}])
    try:
        with pytest.raises(Failed, match="the registry of us-west-2 lacks 1: "):
            mirrored.engine.preview("dr")
    finally:
        assert [each["region"] for each in dr(mirrored, "supply", "sync")["copied"]] == [WEST]
    assert mirrored.engine.preview("dr").counts


@pytest.fixture
def drilled(mirrored: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxUnderTest]:
    """The mirrored deployment, without proofs of these drills afterwards."""
    for name, value in mirrored.engine.variables.items():
        monkeypatch.setenv(name, value)
    yield mirrored
    dr_command.dr(mirrored, "drill", "stop")
    dr_command.forget_proofs(mirrored)


def drill(sandbox: SandboxUnderTest) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Run the drill; return its exit code, its document and the verdict of each condition."""
    code, found = dr_command.dr(sandbox, "drill", "region-isolation")
    return code, found, {each["name"]: each["verdict"] for each in found["judgements"]}


def left(cluster: Cluster) -> list[str]:
    """Return what is in the drills' namespace besides the program's own objects."""
    from kubernetes.client import NetworkingV1Api

    networking = NetworkingV1Api(cluster.api)
    listed = (
        cluster.core.list_namespaced_pod(DRILL),
        cluster.core.list_namespaced_config_map(DRILL, label_selector="ml-dr/drill"),
        networking.list_namespaced_network_policy(DRILL, label_selector="ml-dr/drill"),
    )
    return [each.metadata.name for found in listed for each in found.items]


@contextmanager
def variables(cluster: Cluster, **changes: str) -> Iterator[None]:
    """Set variables of the init container that fetches models, and restore them."""
    spec = cluster.apps.read_namespaced_deployment(SERVICE, NAMESPACE).spec.template.spec
    fetcher = next(each for each in spec.init_containers if each.name == FETCHER)
    before = {each.name: each.value for each in fetcher.env if each.name in changes}

    def patch(values: dict[str, str]) -> None:
        env = [{"name": name, "value": value} for name, value in values.items()]
        containers = {"initContainers": [{"name": FETCHER, "env": env}]}
        cluster.apps.patch_namespaced_deployment(SERVICE, NAMESPACE, {"spec": {"template": {"spec": containers}}})

    patch(changes)
    try:
        yield
    finally:
        patch(before)


@contextmanager
def drill_process(sandbox: SandboxUnderTest) -> Iterator[Any]:
    """Start the drill as a process."""
    command = [str(Path(sandbox.local.commands) / "dr"), "drill", "region-isolation", "--json"]
    with subprocess.Popen(
        command,
        env={**os.environ, **sandbox.engine.variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process


def test_replica_starts_with_nothing_but_its_own_region(drilled: SandboxUnderTest) -> None:
    mark, cluster = drilled.mark(), Cluster(drilled, WEST)
    code, found, verdicts = drill(drilled)

    assert (code, found["verdict"]) == (0, "met"), found
    assert verdicts == dict.fromkeys(CONDITIONS, "met")
    assert found["requests"] == {"sent": 6, "failed": 0, "wrong": 0}
    assert [each["outcome"] for each in found["steps"]] == ["done"] * 5
    folder = drilled.local.folder / "dr" / "evidence" / found["run"]
    spec = json.loads((folder / "pod.json").read_text())["spec"]
    assert all(each["image"].startswith(OWN) for each in (*spec["initContainers"], *spec["containers"]))
    assert (folder / "report.html").stat().st_size > 10_000
    assert left(cluster) == []
    called = [call for call in drilled.calls(mark) if "app/ml-dr" in call["agent"]]
    assert {call["target"] for call in called} == {WEST}
    assert not {call["service"] for call in called} & {"iam", "route53"}


def test_models_of_the_other_region_turn_the_drill_red(drilled: SandboxUnderTest) -> None:
    cluster = Cluster(drilled, WEST)
    buckets = {f"{name}_BUCKET": f"ml-dr-123456789012-{EAST}-{name.lower()}" for name in ("MODELS", "REGISTRY")}
    with variables(cluster, AWS_REGION=EAST, **buckets):
        code, found, verdicts = drill(drilled)

    assert (code, verdicts["isolation"], verdicts["models"]) == (1, "met", "missed"), found
    models = next(each for each in found["judgements"] if each["name"] == "models")
    assert EAST in models["measured"]
    assert left(cluster) == []


def test_network_that_lets_the_pod_out_turns_the_drill_red(drilled: SandboxUnderTest) -> None:
    from kubernetes.client import NetworkingV1Api

    cluster = Cluster(drilled, WEST)
    networking = NetworkingV1Api(cluster.api)
    everywhere = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]}
    policy = {
        "metadata": {"name": "open"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [everywhere]},
    }
    networking.create_namespaced_network_policy(DRILL, policy)
    try:
        code, found, verdicts = drill(drilled)
    finally:
        networking.delete_namespaced_network_policy("open", DRILL)

    assert (code, verdicts["isolation"]) == (1, "missed"), found
    isolation = next(each for each in found["judgements"] if each["name"] == "isolation")
    assert f"s3.{EAST}.amazonaws.com" in isolation["measured"]
    assert left(cluster) == []


def test_killed_drill_is_cleaned_up_by_stop(drilled: SandboxUnderTest) -> None:
    cluster = Cluster(drilled, WEST)
    with drill_process(drilled) as process:
        wait_for(lambda: cluster.core.list_namespaced_pod(DRILL).items, "the pod of the drill")
        process.kill()
    assert left(cluster)
    code, refused = dr_command.dr(drilled, "drill", "region-isolation")
    assert (code, "its process died" in refused["problems"][0]["fact"]) == (3, True)
    code, cleaned = dr_command.dr(drilled, "drill", "stop")

    assert (code, left(cluster)) == (0, []), cleaned
    assert "region-isolation" in cleaned["cleaned"][0]
