"""`dr supply` and its preflight against emulated registries, also while a region or all publishers are lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dr.cli.main import app
from dr.clusters.charts import CHARTS, NODE_MAKER
from dr.errors import Exit, Invalid, Refused
from dr.findings import Finding, Status
from dr.preflight import supply as preflight
from dr.preflight.check import Subject
from dr.supply import check, lock, sync
from dr.supply.catalog import CHART_IMAGES, chart_key, needed
from dr.supply.check import Lack
from dr.supply.items import items
from dr.supply.sync import Synced
from dr.topology.supply import Kind, Supply, repositories
from dr.topology.topology import Role, Topology
from sandbox.aws.faults import PublishersFault, RegionFault
from sandbox.server import Running, running
from tests.support.builders import topology
from tests.support.registries import REGIONS, empty_docker, held, make_repositories, reached
from tests.support.sandbox import copy_project

NEEDED = len(CHARTS) + len(CHART_IMAGES) + len(topology().serving.images)


def quiet(text: str, share: float | None) -> None:
    """Discard progress."""


@dataclass(frozen=True)
class Filled:
    """Registries after a first `dr supply sync`."""

    emulator: Running
    folder: Path
    synced: Synced


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("supply")
    with running() as emulator:
        make_repositories(emulator)
        with reached(emulator, DOCKER_CONFIG=empty_docker(folder / "docker")):
            synced = sync.run(topology(), folder, quiet)
        yield Filled(emulator, folder, synced)


@pytest.fixture
def filled(first: Filled, tmp_path: Path) -> Iterator[Filled]:
    """The same registries, with a copy of the lock file; faults are removed after the test."""
    shutil.copy(first.folder / lock.FILE, tmp_path / lock.FILE)
    with reached(first.emulator, DOCKER_CONFIG=empty_docker(tmp_path / "docker")):
        yield replace(first, folder=tmp_path)
        first.emulator.emulator.faults.clear()


@pytest.fixture
def lose(filled: Filled) -> Callable[[str], None]:
    def act(region: str) -> None:
        filled.emulator.emulator.faults.add(RegionFault(region, unreachable=True))

    return act


def mirrored(role: Role, **changes: str) -> Topology:
    return topology(role, supply="mirror", **changes)


def found(filled: Filled, role: Role = Role.RECOVERY, **changes: str) -> Finding:
    (finding,) = preflight.look(Subject(mirrored(role, **changes), "dr", filled.folder))
    return finding


# Copies --------------------------------------------------------------------------------------------------------------


def test_sync_copies_everything_to_both_regions_by_digest(first: Filled) -> None:
    wanted = {(item.kind, item.digest) for item in items(needed(topology()), lock.read(first.folder))}

    assert first.synced.problems == ()
    assert len(wanted) == NEEDED
    for region in REGIONS:
        there = {(kind, digest) for kind in Kind for digest in held(first.emulator, region, kind)}
        assert wanted <= there
    assert {each.source for each in first.synced.copied if each.region == REGIONS[1]} <= {
        "123456789012.dkr.ecr.us-east-1.amazonaws.com",
        "replication",
    }


def test_second_sync_copies_nothing_and_asks_no_publisher(filled: Filled) -> None:
    filled.emulator.emulator.faults.add(PublishersFault())

    synced = sync.run(topology(), filled.folder, quiet)

    assert (synced.copied, synced.present, synced.resolved, synced.problems) == ((), 2 * NEEDED, (), ())


def test_sync_copies_what_one_region_lacks_from_the_other_without_publishers(filled: Filled) -> None:
    digest = lock.read(filled.folder).charts[chart_key(NODE_MAKER)].digest
    ecr = filled.emulator.client("ecr", "us-west-2")
    ecr.batch_delete_image(repositoryName="ml-dr/charts", imageIds=[{"imageDigest": digest}])
    filled.emulator.emulator.faults.add(PublishersFault())

    synced = sync.run(topology(), filled.folder, quiet)

    (copied,) = synced.copied
    assert (copied.name, copied.region) == ("karpenter 1.11.1", "us-west-2")
    assert copied.source == "123456789012.dkr.ecr.us-east-1.amazonaws.com"
    assert digest in held(filled.emulator, "us-west-2", Kind.CHARTS)


def test_new_image_is_copied_to_the_recovery_region_while_the_primary_is_lost(
    filled: Filled, lose: Callable[[str], None]
) -> None:
    lose("us-east-1")
    changed = topology(inferenceImage="docker.io/seldonio/mlserver:1.8.0")

    synced = sync.run(changed, filled.folder, quiet)

    assert [(each.name, each.region) for each in synced.copied] == [
        ("docker.io/seldonio/mlserver:1.8.0", "us-west-2"),
    ]
    assert synced.exit_code is Exit.FAILED
    assert "us-east-1 does not answer" in synced.problems[0].fact
    assert found(filled, inferenceImage="docker.io/seldonio/mlserver:1.8.0").status is Status.MET


def test_image_that_its_publisher_lacks_is_reported_and_the_rest_is_copied(filled: Filled) -> None:
    synced = sync.run(topology(toolsImage="public.ecr.aws/lambda/python:absent"), filled.folder, quiet)

    (problem,) = synced.problems
    assert problem.subject == "public.ecr.aws/lambda/python:absent"
    assert "crane digest" in problem.fact
    assert synced.present == 2 * (NEEDED - 1)


def test_sync_before_the_first_deployment_names_the_stack_that_creates_the_repositories(filled: Filled) -> None:
    with pytest.raises(Refused, match=r"repository other/.* does not exist in us-east-1") as caught:
        sync.run(topology(bucketPrefix="other"), filled.folder, quiet)

    assert "pulumi up -s primary" in caught.value.problems[0].remedy


def test_sync_without_crane_says_how_to_install_it(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(Invalid, match="PATH has no such command") as caught:
        sync.run(topology(), filled.folder, quiet)
    assert "go install" in caught.value.problems[0].remedy


# Check ---------------------------------------------------------------------------------------------------------------


def test_check_names_what_is_missing_in_one_region(filled: Filled) -> None:
    missing = replace(
        lock.read(filled.folder),
        images={**lock.read(filled.folder).images, "docker.io/seldonio/mlserver:1.7.1": f"sha256:{'0' * 64}"},
    )
    lock.write(filled.folder, missing)

    states = check.run(topology(), filled.folder)

    assert [(item.name, lack) for state in states for item, lack in state.lacks] == [
        ("docker.io/seldonio/mlserver:1.7.1", Lack.OTHER),
        ("docker.io/seldonio/mlserver:1.7.1", Lack.OTHER),
    ]
    assert check.exit_code(states) is Exit.FAILED


def test_check_of_one_region_does_not_depend_on_the_other(filled: Filled, lose: Callable[[str], None]) -> None:
    lose("us-east-1")

    primary, recovery = check.run(topology(), filled.folder)

    assert "does not answer" in primary.unknown
    assert (recovery.held, recovery.lacks, recovery.unknown) == (NEEDED, (), "")
    assert check.exit_code([primary, recovery]) is Exit.UNKNOWN


def test_check_without_a_lock_file_finds_everything_unresolved(filled: Filled, tmp_path: Path) -> None:
    (filled.folder / lock.FILE).unlink()

    _, recovery = check.run(topology(), filled.folder)

    assert {lack for _, lack in recovery.lacks} == {Lack.UNRESOLVED}


@pytest.mark.parametrize(("command", "key"), [("list", "items"), ("check", "regions"), ("sync", "copied")])
def test_commands_print_json(filled: Filled, tmp_path: Path, command: str, key: str) -> None:
    project = copy_project(tmp_path / "project")
    shutil.copy(filled.folder / lock.FILE, project / lock.FILE)

    result = CliRunner().invoke(app, ["supply", command, "--json", "--project", str(project)])

    assert result.exit_code == 0, result.output
    assert key in json.loads(result.output)


# Preflight -----------------------------------------------------------------------------------------------------------


def test_preflight_of_a_complete_registry_is_met(filled: Filled) -> None:
    finding = found(filled)

    assert (finding.status, finding.measured) == (Status.MET, f"the registry of us-west-2 holds all {NEEDED}")


def test_preflight_warns_about_upstream(filled: Filled) -> None:
    (finding,) = preflight.look(Subject(topology(Role.RECOVERY), "dr", filled.folder))

    assert finding.status is Status.MISSED
    assert "depend on us-east-1" in finding.measured
    assert "dr supply sync" in finding.hint


def test_preflight_refuses_an_image_that_was_not_copied(filled: Filled) -> None:
    changed = mirrored(Role.RECOVERY, inferenceImage="docker.io/seldonio/mlserver:2.0.0")

    with pytest.raises(Refused, match=r"mlserver:2\.0\.0 has no digest in the lock file") as caught:
        preflight.find(changed, filled.folder, filled.folder)
    assert caught.value.problems[0].remedy == "`dr supply sync`"


def test_preflight_of_the_recovery_region_calls_no_other_region(filled: Filled, lose: Callable[[str], None]) -> None:
    lose("us-east-1")
    filled.emulator.emulator.faults.add(PublishersFault())
    before = dict(filled.emulator.emulator.calls.hosts)

    mirror = preflight.find(mirrored(Role.RECOVERY), filled.folder, filled.folder)

    assert mirror is not None
    assert set(mirror.serving(topology().serving).images.values()) == {
        f"123456789012.dkr.ecr.us-west-2.amazonaws.com/ml-dr/serving@{digest}"
        for digest in (
            item.digest for item in items(needed(topology()), lock.read(filled.folder)) if item.kind is Kind.SERVING
        )
    }
    assert dict(filled.emulator.emulator.calls.hosts) == before


def test_archives_of_charts_are_downloaded_once_and_verified(filled: Filled) -> None:
    mirror = preflight.find(mirrored(Role.PRIMARY), filled.folder, filled.folder)
    assert mirror is not None
    files = [filled.folder / mirror.archive(chart) for chart in CHARTS]
    times = [file.stat().st_mtime_ns for file in files]
    files[0].write_bytes(b"damaged")

    preflight.find(mirrored(Role.PRIMARY), filled.folder, filled.folder)

    assert files[0].read_bytes() != b"damaged"
    assert [file.stat().st_mtime_ns for file in files[1:]] == times[1:]


def test_repositories_that_do_not_exist_are_named(filled: Filled) -> None:
    with pytest.raises(Refused, match=r"repository other/[a-z]+ does not exist in us-west-2"):
        preflight.find(replace(mirrored(Role.RECOVERY), bucket_prefix="other"), filled.folder, filled.folder)


def test_upstream_needs_no_registry(tmp_path: Path) -> None:
    assert topology().supply is Supply.UPSTREAM
    assert preflight.find(topology(), tmp_path, tmp_path) is None
    assert set(repositories("ml-dr").values()) == {"ml-dr/serving", "ml-dr/addons", "ml-dr/charts"}
