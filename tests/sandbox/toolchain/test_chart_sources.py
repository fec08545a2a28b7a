"""Fetching of published chart files, with a fake Go: nothing is downloaded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dr.errors import Failed
from sandbox.toolchain.chart_sources import MODULES, PUBLISHED, TAKEN
from tests.support.charts import fake_sources
from tests.support.toolchain import silent


def install_fake_go(path: Path, sources: Path) -> Path:
    """Create a fake `go` with the modules in a folder; return the file that records its arguments."""
    log = path / "log"
    found = "\n".join(json.dumps({"Path": module, "Dir": str(sources / module)}, indent=1) for module in TAKEN)
    script = f"""#!/bin/sh
case "$1" in
    version) echo "go version go{MODULES.go} linux/amd64" ;;
    mod) echo "$*" >> {log}; /bin/cat <<'end'
{found}
end
esac
"""
    (path / "go").write_text(script)
    (path / "go").chmod(0o755)
    return log


def test_every_module_is_pinned_with_its_hash() -> None:
    sums = (MODULES.folder / "go.sum").read_text()
    required = dict(re.findall(r"^\t(\S+) (v\S+)$", (MODULES.folder / "go.mod").read_text(), re.MULTILINE))

    assert required.keys() == TAKEN.keys()
    for module, version in required.items():
        assert f"{module} {version} h1:" in sums
        assert f"{module} {version}/go.mod h1:" in sums


def test_published_files_are_fetched_once_and_found_without_go(path: Path, tmp_path: Path) -> None:
    log = install_fake_go(path, fake_sources(tmp_path / "sources"))
    assert PUBLISHED.find() is None

    folder = PUBLISHED.ensure(silent)
    (path / "go").unlink()

    assert PUBLISHED.ensure(silent) == PUBLISHED.find() == folder
    assert log.read_text().count("mod download -json") == 1
    assert "github.com/aws/karpenter-provider-aws@v" in log.read_text()
    for module, paths in TAKEN.items():
        assert all((folder / module / each).exists() for each in paths)


def test_incomplete_folder_of_a_killed_process_is_fetched_again(path: Path, tmp_path: Path) -> None:
    install_fake_go(path, fake_sources(tmp_path / "sources"))
    (PUBLISHED.place / next(iter(TAKEN))).mkdir(parents=True)
    assert PUBLISHED.find() is None

    assert PUBLISHED.ensure(silent) == PUBLISHED.place


def test_missing_go_is_reported_with_the_version_to_install(path: Path) -> None:
    with pytest.raises(Failed) as failed:
        PUBLISHED.ensure(silent)

    assert "`go` is not on PATH" in str(failed.value)
    assert str(failed.value).endswith(f"install Go {MODULES.go} or newer and put it on PATH")
