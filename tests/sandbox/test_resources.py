"""Memory and disk space that a sandbox needs."""

from dataclasses import replace
from pathlib import Path

import pytest

from dr.errors import Refused
from sandbox import resources
from sandbox.resources import Resources

ENOUGH = Resources(memory=2.6, memory_free=16.0, disk=8.4, disk_free=59.0, folder=Path("/cache"))


def test_sufficient_memory_and_disk_are_accepted_and_shown() -> None:
    ENOUGH.require()

    assert str(ENOUGH) == "Needs 2.6 GB of memory (16.0 GB available) and 8.4 GB of disk in /cache (59.0 GB free)."


def test_insufficient_memory_is_refused_with_free_and_needed_memory() -> None:
    with pytest.raises(Refused, match=r"memory: 1.2 GB is available, and a sandbox needs about 2.6 GB"):
        replace(ENOUGH, memory_free=1.2).require()


def test_insufficient_disk_is_refused_with_free_and_needed_space_and_the_folder() -> None:
    with pytest.raises(Refused, match=r"disk of /cache: 3.0 GB is free, and this step needs about 8.4 GB"):
        replace(ENOUGH, disk_free=3.0).require()


def test_insufficient_memory_and_disk_are_reported_together() -> None:
    with pytest.raises(Refused) as caught:
        replace(ENOUGH, memory_free=1.0, disk_free=1.0).require()

    assert len(caught.value.problems) == 2


def test_running_sandbox_needs_no_further_memory(tmp_path: Path) -> None:
    assert resources.measure(tmp_path, tmp_path, build=False, running=True).memory == 0


def test_disk_space_is_measured_at_the_nearest_existing_parent_of_the_build_folder(tmp_path: Path) -> None:
    found = resources.measure(tmp_path, tmp_path / "cache" / "below", build=True, running=False)

    assert found.folder == tmp_path
    assert found.disk == resources.BUILD_DISK_GB
