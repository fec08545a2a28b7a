"""How published chart files are fetched, with a Go that pretends: nothing is downloaded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dr.errors import Failed
from sandbox.toolchain.chart_sources import MODULES, TAKEN, ensure_charts, find_charts, kept
from tests.support.charts import fake_sources


def silent(text: str, share: float | None) -> None:
    pass


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder of PATH, empty, on a machine with an empty cache."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GOTOOLCHAIN", raising=False)
    return folder


def pretend_go(path: Path, sources: Path) -> Path:
    """A `go` that has the modules in a folder; returns the file in which it notes its arguments."""
    said = path / "said"
    found = "\n".join(json.dumps({"Path": module, "Dir": str(sources / module)}, indent=1) for module in TAKEN)
    script = f"""#!/bin/sh
case "$1" in
    version) echo "go version go{MODULES.go} linux/amd64" ;;
    mod) echo "$*" >> {said}; /bin/cat <<'end'
{found}
end
esac
"""
    (path / "go").write_text(script)
    (path / "go").chmod(0o755)
    return said


def test_every_module_is_pinned_with_its_hash() -> None:
    sums = (MODULES.folder / "go.sum").read_text()
    required = dict(re.findall(r"^\t(\S+) (v\S+)$", (MODULES.folder / "go.mod").read_text(), re.MULTILINE))

    assert required.keys() == TAKEN.keys()
    for module, version in required.items():
        assert f"{module} {version} h1:" in sums
        assert f"{module} {version}/go.mod h1:" in sums


def test_published_files_are_fetched_once_and_found_without_go(path: Path, tmp_path: Path) -> None:
    said = pretend_go(path, fake_sources(tmp_path / "sources"))
    assert find_charts() is None

    folder = ensure_charts(silent)
    (path / "go").unlink()

    assert ensure_charts(silent) == find_charts() == folder
    assert said.read_text().count("mod download -json") == 1
    assert "github.com/aws/karpenter-provider-aws@v" in said.read_text()
    for module, paths in TAKEN.items():
        assert all((folder / module / each).exists() for each in paths)


def test_a_folder_that_a_killed_process_left_incomplete_is_fetched_again(path: Path, tmp_path: Path) -> None:
    pretend_go(path, fake_sources(tmp_path / "sources"))
    (kept().place / next(iter(TAKEN))).mkdir(parents=True)
    assert find_charts() is None

    assert ensure_charts(silent) == kept().place


def test_a_missing_go_is_named_with_the_way_out(path: Path) -> None:
    with pytest.raises(Failed) as failed:
        ensure_charts(silent)

    assert "there is no `go` on PATH" in str(failed.value)
    assert str(failed.value).endswith(f"install Go {MODULES.go} or newer and put it on PATH")
