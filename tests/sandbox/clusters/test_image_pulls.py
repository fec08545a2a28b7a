"""Image pulls of nodes: from the account's registries by digest, and from publishers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sandbox.aws.faults import parse
from sandbox.clusters.api import Api, Watched
from sandbox.clusters.image_pulls import PROBLEM, PULLED, ImagePulls
from sandbox.server import Running

WEST, ACCOUNT, REPOSITORY = "us-west-2", "123456789012", "ml-dr/seldonio/mlserver"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{WEST}.amazonaws.com"
ABSENT = f"sha256:{'0' * 64}"
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": f"sha256:{'1' * 64}"},
    "layers": [],
}


@dataclass
class Cluster:
    """Pods on nodes, and the annotations that pulls write on them."""

    pods: list[dict[str, Any]] = field(default_factory=list)

    def add(self, image: str, node: str = "n0") -> dict[str, Any]:
        """Add a pod that waits for its image; return its annotations."""
        about = {"name": f"p{len(self.pods)}", "namespace": "ml-serving", "uid": f"u{len(self.pods)}"}
        notes: dict[str, Any] = {}
        pod = {
            "metadata": {**about, "annotations": notes},
            "spec": {"nodeName": node, "containers": [{"image": image}]},
            "status": {"phase": "Pending"},
        }
        self.pods.append(pod)
        return notes

    def all(self) -> list[dict[str, Any]]:
        return self.pods

    def patch(self, path: str, change: dict[str, Any]) -> None:
        (pod,) = [each for each in self.pods if path.endswith(f"/{each['metadata']['name']}")]
        notes = pod["metadata"]["annotations"]
        for name, value in change["metadata"]["annotations"].items():
            notes.pop(name, None) if value is None else notes.update({name: value})


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def pulls(cluster: Cluster, aws: Running) -> ImagePulls:
    # At this speed a second try is due at once.
    return ImagePulls(cast(Api, cluster), cast(Watched, cluster), aws.client, aws.emulator.faults, speed=1e9)


@pytest.fixture
def image(aws: Running) -> str:
    """An image in the region's registry."""
    ecr = aws.client("ecr", WEST)
    ecr.create_repository(repositoryName=REPOSITORY)
    made = ecr.put_image(repositoryName=REPOSITORY, imageManifest=json.dumps(MANIFEST), imageTag="1.7.1")
    return f"{REGISTRY}/{REPOSITORY}@{made['image']['imageId']['imageDigest']}"


def test_image_of_the_regions_registry_is_pulled(cluster: Cluster, pulls: ImagePulls, image: str) -> None:
    notes = cluster.add(image)
    pulls.step()

    assert notes == {PULLED: "yes"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{REGISTRY}/{REPOSITORY}@{ABSENT}", "not found"),
        (f"{REGISTRY}/ml-dr/absent@{ABSENT}", "RepositoryNotFoundException"),
        (f"{REGISTRY}/{REPOSITORY}:1.7.1", "by digest only"),
    ],
)
@pytest.mark.usefixtures("image")
def test_image_that_the_registry_lacks_is_not_pulled(
    cluster: Cluster, pulls: ImagePulls, name: str, reason: str
) -> None:
    notes = cluster.add(name)
    pulls.step()

    assert notes.keys() == {PROBLEM}
    assert notes[PROBLEM].startswith(f'failed to pull image "{name}": ')
    assert reason in notes[PROBLEM]


def test_failed_pull_is_repeated_until_the_image_is_there(
    cluster: Cluster, pulls: ImagePulls, image: str, aws: Running
) -> None:
    aws.emulator.faults.add(parse({"kind": "region", "region": WEST, "unreachable": True}))
    notes = cluster.add(image)
    pulls.step()
    assert f"the registry of {WEST} does not answer" in notes[PROBLEM]
    aws.emulator.faults.clear()
    pulls.step()

    assert notes == {PULLED: "yes"}


def test_pulled_image_stays_on_its_node_only(cluster: Cluster, pulls: ImagePulls, image: str, aws: Running) -> None:
    cluster.add(image)
    pulls.step()
    aws.emulator.faults.add(parse({"kind": "region", "region": WEST, "unreachable": True}))
    same, other = cluster.add(image), cluster.add(image, "n1")
    pulls.step()

    assert same == {PULLED: "yes"}
    assert PROBLEM in other


def test_image_of_a_publisher_needs_the_publisher(cluster: Cluster, pulls: ImagePulls, aws: Running) -> None:
    first = cluster.add("docker.io/seldonio/mlserver:1.7.1")
    pulls.step()
    aws.emulator.faults.add(parse({"kind": "publishers"}))
    second = cluster.add("docker.io/seldonio/mlserver:1.7.1", "n1")
    pulls.step()

    assert not first
    assert second.keys() == {PROBLEM}
    assert "connection reset" in second[PROBLEM]
