"""The account's registries, used by crane over HTTPS: authorization, immutable tags, replication and loss."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dr.config.image_references import parse
from dr.errors import Failed
from dr.supply import crane
from dr.supply.crane import Crane
from dr.supply.region_registry import RegionRegistry
from dr.topology.supply import Kind
from sandbox.aws.faults import PublishersFault, RegionFault
from sandbox.charts.images import image
from sandbox.charts.oci import digest
from sandbox.server import Running, running
from tests.support.registries import REGIONS, empty_docker, held, make_repositories, reached
from tests.support.waiting import wait_for

ACCOUNT = "123456789012"
SOURCE = "docker.io/seldonio/mlserver"


@pytest.fixture(scope="module")
def started() -> Iterator[Running]:
    with running() as emulator:
        yield emulator


@pytest.fixture
def emulator(started: Running, tmp_path: Path) -> Iterator[Running]:
    """An empty emulator with the repositories of both regions."""
    started.emulator.reset()
    with reached(started, DOCKER_CONFIG=empty_docker(tmp_path / "docker")):
        make_repositories(started)
        yield started


@pytest.fixture
def registries(emulator: Running) -> dict[str, RegionRegistry]:
    return {region: RegionRegistry(ACCOUNT, region, "ml-dr") for region in REGIONS}


@pytest.fixture
def copy(registries: dict[str, RegionRegistry]) -> Iterator[Crane]:
    with crane.ready({each.host: each.authorization() for each in registries.values()}) as found:
        yield found


def replicate(emulator: Running, prefix: str = "ml-dr/") -> None:
    rule = {
        "destinations": [{"region": "us-west-2", "registryId": ACCOUNT}],
        "repositoryFilters": [{"filter": prefix, "filterType": "PREFIX_MATCH"}],
    }
    emulator.client("ecr", "us-east-1").put_replication_configuration(replicationConfiguration={"rules": [rule]})


def test_image_is_copied_with_its_platforms_and_digest(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    target = registries["us-west-2"].repository(Kind.SERVING)
    wanted = copy.digest(f"{SOURCE}:1.7.1")

    copy.copy(f"{SOURCE}@{wanted}", f"{target}:one")

    tags = held(emulator, "us-west-2", Kind.SERVING)
    platforms = json.loads(copy.manifest(f"{target}@{wanted}"))["manifests"]
    assert tags[wanted] == {"one"}
    assert set(tags) == {wanted, *(each["digest"] for each in platforms)}
    assert held(emulator, "us-east-1", Kind.SERVING) == {}


def test_registry_refuses_calls_without_authorization(emulator: Running, registries: dict[str, RegionRegistry]) -> None:
    with crane.ready({}) as without, pytest.raises(Failed, match=r"401|Unauthorized"):
        without.digest(f"{registries['us-west-2'].repository(Kind.SERVING)}:one")


def test_repository_that_does_not_exist_is_refused(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    with pytest.raises(Failed, match="does not exist in the registry"):
        copy.copy(f"{SOURCE}:1.7.1", f"{registries['us-west-2'].host}/ml-dr/other:one")


def test_immutable_tag_cannot_be_moved_to_another_image(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    target = f"{registries['us-west-2'].repository(Kind.SERVING)}:one"
    copy.copy(f"{SOURCE}:1.7.1", target)

    with pytest.raises(Failed, match="cannot be overwritten because the repository is immutable"):
        copy.copy(f"{SOURCE}:1.8.0", target)


def test_immutable_tag_cannot_be_pushed_again_even_by_the_same_image(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    registry = registries["us-west-2"]
    target = registry.repository(Kind.SERVING)
    copy.copy(f"{SOURCE}:1.7.1", f"{target}:one")
    site = emulator.sites.site(registry.host)
    assert site is not None

    request = {"REQUEST_METHOD": "PUT", "PATH_INFO": "/v2/ml-dr/serving/manifests/one"}
    credentials = {"HTTP_AUTHORIZATION": f"Basic {registry.authorization()}"}
    answer = site.send({**request, **credentials}, copy.manifest(f"{target}:one"))

    assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (400, "TAG_INVALID")


def test_pushed_image_is_replicated_with_its_tag(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    target = registries["us-east-1"].repository(Kind.SERVING)
    copy.copy(f"{SOURCE}:1.7.0", f"{target}:before")
    replicate(emulator)

    copy.copy(f"{SOURCE}:1.7.1", f"{target}:one")

    wait_for(lambda: {"one"} in held(emulator, "us-west-2", Kind.SERVING).values())
    assert {"before"} not in held(emulator, "us-west-2", Kind.SERVING).values()
    reference = f"{registries['us-west-2'].repository(Kind.SERVING)}:one"
    assert copy.digest(reference) == copy.digest(f"{SOURCE}:1.7.1")


def test_other_repositories_are_not_replicated(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    replicate(emulator, "others/")
    copy.copy(f"{SOURCE}:1.7.1", f"{registries['us-east-1'].repository(Kind.SERVING)}:one")
    replicate(emulator)
    copy.copy(f"{SOURCE}:1.7.0", f"{registries['us-east-1'].repository(Kind.SERVING)}:two")

    wait_for(lambda: {"two"} in held(emulator, "us-west-2", Kind.SERVING).values())
    assert {"one"} not in held(emulator, "us-west-2", Kind.SERVING).values()


def test_replicated_image_lacks_a_tag_that_the_destination_has(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    copy.copy(f"{SOURCE}:1.7.0", f"{registries['us-west-2'].repository(Kind.SERVING)}:one")
    replicate(emulator)
    copy.copy(f"{SOURCE}:1.7.1", f"{registries['us-east-1'].repository(Kind.SERVING)}:one")
    wanted = copy.digest(f"{SOURCE}:1.7.1")

    wait_for(lambda: wanted in held(emulator, "us-west-2", Kind.SERVING))
    assert held(emulator, "us-west-2", Kind.SERVING)[wanted] == set()


def test_registry_of_a_lost_region_does_not_answer(
    emulator: Running, registries: dict[str, RegionRegistry], copy: Crane
) -> None:
    for region in REGIONS:
        copy.copy(f"{SOURCE}:1.7.1", f"{registries[region].repository(Kind.SERVING)}:one")
    emulator.emulator.faults.add(RegionFault("us-east-1", unreachable=True))

    with pytest.raises(Failed):
        copy.digest(f"{registries['us-east-1'].repository(Kind.SERVING)}:one")
    assert copy.digest(f"{registries['us-west-2'].repository(Kind.SERVING)}:one").startswith("sha256:")


def test_publishers_can_be_lost_and_each_connection_is_counted(emulator: Running, copy: Crane) -> None:
    assert copy.digest(f"{SOURCE}:1.7.1").startswith("sha256:")
    before = emulator.emulator.calls.hosts["index.docker.io"]
    emulator.emulator.faults.add(PublishersFault())

    with pytest.raises(Failed):
        copy.digest(f"{SOURCE}:1.7.1")
    assert emulator.emulator.calls.hosts["index.docker.io"] > before


def test_publisher_lacks_a_broken_tag_and_unknown_images(emulator: Running, copy: Crane) -> None:
    for absent in (f"{SOURCE}:broken", "docker.io/seldonio/other:1.7.1"):
        assert parse(absent)
        with pytest.raises(Failed, match=r"MANIFEST_UNKNOWN|NAME_UNKNOWN|404"):
            copy.digest(absent)


def test_images_have_the_same_digest_in_every_sandbox(emulator: Running, copy: Crane) -> None:
    assert copy.digest(f"{SOURCE}:1.7.1") == digest(image("index.docker.io", "seldonio/mlserver", "1.7.1").manifest)


def test_crane_is_the_one_on_path(emulator: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(Exception, match="PATH has no such command") as caught, crane.ready({}):
        pass
    assert "go install github.com/google/go-containerregistry/cmd/crane" in str(caught.value)


def test_credentials_are_removed_after_the_command(registries: dict[str, RegionRegistry], emulator: Running) -> None:
    with crane.ready({"host": "QVdTOng="}) as found:
        file = found.configuration / "config.json"
        assert json.loads(file.read_text())["auths"] == {"host": {"auth": "QVdTOng="}}
        assert file.stat().st_mode & 0o077 == 0
        assert subprocess.run([found.path, "version"], capture_output=True, check=True).stdout
    assert not file.exists()
