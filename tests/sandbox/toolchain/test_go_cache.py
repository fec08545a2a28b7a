"""Go's caches during a build: the user's, or temporary ones that are removed after the build."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

import pytest

from sandbox.toolchain import go_cache

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Go's build cache is in another folder elsewhere")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any Go cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(tmp_path / "toolchain"))
    monkeypatch.setenv("GOFLAGS", "-p=1")
    monkeypatch.delenv("GOCACHE", raising=False)
    return tmp_path


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "00").write_text("compiled")
    return folder


def test_temporary_caches_are_used_if_the_user_has_no_build_cache(home: Path) -> None:
    assert go_cache.variables() == {
        "GOCACHE": str(home / "toolchain" / "go" / "build"),
        "GOMODCACHE": str(home / "toolchain" / "go" / "modules"),
        "GOFLAGS": "-p=1 -modcacherw",
    }


def test_empty_build_cache_counts_as_missing(home: Path) -> None:
    (home / "cache" / "go-build").mkdir(parents=True)

    assert go_cache.variables() != {}


def test_build_cache_of_the_user_is_used_and_kept(home: Path) -> None:
    theirs = fill(home / "cache" / "go-build")
    with go_cache.removed_afterwards():
        assert go_cache.variables() == {}

    assert theirs.exists()


def test_build_cache_named_by_gocache_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOCACHE", str(fill(home / "elsewhere")))

    assert go_cache.variables() == {}


def test_temporary_caches_are_removed_after_the_build(home: Path) -> None:
    with go_cache.removed_afterwards():
        ours = fill(Path(go_cache.variables()["GOCACHE"]))

    assert not ours.parent.exists()


def test_temporary_caches_are_kept_after_a_failed_build(home: Path) -> None:
    ours = fill(Path(go_cache.variables()["GOCACHE"]))
    with pytest.raises(ZeroDivisionError), go_cache.removed_afterwards():
        _ = 1 / 0

    assert ours.exists()


def test_temporary_caches_are_kept_while_another_process_builds(home: Path) -> None:
    with go_cache.removed_afterwards():
        ours = fill(Path(go_cache.variables()["GOCACHE"]))
        with (home / "toolchain" / "go.lock").open("a") as other:
            fcntl.flock(other, fcntl.LOCK_SH)
            with go_cache.removed_afterwards():
                pass
            assert ours.exists()
    assert not ours.exists()
