"""With `dr:supply` `mirror`, the recovery region deploys, scales and rolls out without anything outside the region."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dr.errors import Failed
from dr.supply.lock import FILE
from dr.topology.serving import NAMESPACE
from sandbox.emulator_client import ask
from tests.support.deployment import BY_DIGEST
from tests.support.drill import Cluster
from tests.support.sandbox import STACKS, SandboxUnderTest, warned
from tests.support.waiting import wait_for

pytestmark = pytest.mark.engine

EAST, WEST = "us-east-1", "us-west-2"
OWN = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ml-dr/"


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
