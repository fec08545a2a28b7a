"""Search, download and build of the engine, with fake commands: nothing is downloaded, nothing compiled."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pulumi.automation import PulumiCommand

from dr.errors import Failed, Invalid
from sandbox.toolchain import ENGINE, Toolchain, pulumi
from sandbox.toolchain.build import numbers
from sandbox.toolchain.pulumi import MODULES
from tests.support.waiting import PATIENCE_SECONDS, wait_for

ROOT = Path(__file__).parents[3]
ENSURE = "from sandbox.toolchain import ENGINE; ENGINE.ensure(lambda text, share: None)"

FAKE_GO = """\
case "$1 $*" in
    version*) echo "go version go{version} linux/amd64" ;;
    list*-deps*) printf 'go: downloading a v1\\ntrue\\nfalse\\ntrue\\n' ;;
    list*-m*) echo '{sources}' ;;
    build*) {build} ;;
esac
"""
MAKES_PULUMI = """\
echo first/package; echo second/package
    while [ "$1" != -o ]; do shift; done
    /bin/mkdir -p "${{2%/*}}"; printf '#!/bin/sh\\necho v{version}\\n' > "$2"; /bin/chmod 755 "$2\""""


def command(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder / name


class Machine:
    """A machine with nothing on PATH, no internet, and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "path"
        self.path.mkdir()
        self.cache = folder / "cache"
        self.sources = folder / "sources"
        self.reports: list[tuple[str, float | None]] = []

    def report(self, text: str, share: float | None) -> None:
        self.reports.append((text, share))

    def install_go(self, version: str = MODULES.go, build: str = MAKES_PULUMI.format(version=MODULES.version)) -> None:
        command(self.sources / "python" / "cmd", "pulumi-language-python-exec", "exit 0")
        command(self.path, "go", FAKE_GO.format(version=version, sources=self.sources, build=build))

    def install_pulumi(self, version: str = "3.300.1", language_host: bool = True) -> None:
        command(self.path, "pulumi", f"echo v{version}")
        if language_host:
            command(self.path, "pulumi-language-python", "exit 0")

    def fill_cache(self) -> Path:
        command(self.place / "bin", "pulumi-language-python-exec", "exit 0")
        return command(self.place / "bin", "pulumi", f"echo v{MODULES.version}")

    @property
    def place(self) -> Path:
        return ENGINE.place

    def left_behind(self) -> list[Path]:
        return list(self.cache.glob(".*"))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.path))
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(machine.cache))
    monkeypatch.delenv("DR_TOOLCHAIN", raising=False)
    monkeypatch.delenv("GOTOOLCHAIN", raising=False)
    monkeypatch.setattr(pulumi, "reachable", lambda: False)
    return machine


def test_pinned_module_is_locked_with_its_hash() -> None:
    assert f"github.com/pulumi/pulumi/pkg/v3 v{MODULES.version} h1:" in (MODULES.folder / "go.sum").read_text()
    assert numbers(pulumi.OLDEST) <= numbers(MODULES.version) < numbers(pulumi.BEFORE)


def test_empty_machine_has_no_engine(machine: Machine) -> None:
    assert ENGINE.find() is None


def test_engine_on_path_is_preferred_to_the_cached_one(machine: Machine) -> None:
    machine.fill_cache()
    machine.install_pulumi("3.300.1")

    assert ENGINE.ensure(machine.report) == Toolchain(machine.path / "pulumi", "3.300.1", "PATH", None)


def test_old_engine_on_path_is_skipped(machine: Machine) -> None:
    cached = machine.fill_cache()
    machine.install_pulumi("3.249.9")

    assert ENGINE.ensure(machine.report).pulumi == cached


def test_engine_on_path_without_a_language_host_is_skipped(machine: Machine) -> None:
    machine.install_pulumi(language_host=False)

    assert ENGINE.find() is None


def test_engine_on_path_that_does_not_run_is_skipped(machine: Machine) -> None:
    machine.install_pulumi()
    command(machine.path, "pulumi", "exit 1")

    assert ENGINE.find() is None


def test_cached_engine_on_path_counts_as_cached(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = machine.fill_cache()
    command(cached.parent, "pulumi-language-python", "exit 0")
    monkeypatch.setenv("PATH", str(cached.parent))

    assert ENGINE.find() == Toolchain(cached, MODULES.version, "cached", None)


def test_cached_engine_is_found_without_running_it(machine: Machine) -> None:
    cached = machine.fill_cache()
    cached.write_text("not a program")

    found = ENGINE.ensure(machine.report)

    assert found == Toolchain(cached, MODULES.version, "cached", cached.parent / "pulumi-language-python-exec")
    assert machine.reports == []


def test_engine_is_built_when_offline(machine: Machine) -> None:
    machine.install_go()

    made = ENGINE.ensure(machine.report)

    commands = machine.place / "bin"
    assert made == Toolchain(commands / "pulumi", MODULES.version, "built", commands / "pulumi-language-python-exec")
    assert sorted(path.name for path in commands.iterdir()) == ["pulumi", "pulumi-language-python-exec"]
    assert machine.left_behind() == []
    assert ENGINE.ensure(machine.report).origin == "cached"


def test_build_reports_its_progress(machine: Machine) -> None:
    machine.install_go()

    ENGINE.ensure(machine.report)

    shares = [share for _, share in machine.reports if share is not None]
    assert shares == [0.0, 0.475, 0.95]
    assert machine.reports[-1][0].endswith("2 of 2 packages")


def test_engine_is_downloaded_by_the_sdks_installer_when_online(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(root: str, version: object) -> None:
        command(Path(root) / "bin", "pulumi", f"echo v{version}")
        command(Path(root) / "bin", "pulumi-language-python", "exit 0")

    monkeypatch.setattr(pulumi, "reachable", lambda: True)
    monkeypatch.setattr(PulumiCommand, "install", install)

    made = ENGINE.ensure(machine.report)

    assert made == Toolchain(machine.place / "bin" / "pulumi", MODULES.version, "downloaded", None)


def test_failed_download_is_followed_by_a_build(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(root: str, version: object) -> None:
        command(Path(root) / "bin", "half", "exit 0")
        raise subprocess.CalledProcessError(7, "install.sh", output=b"curl: (28) timed out")

    machine.install_go()
    monkeypatch.setattr(pulumi, "reachable", lambda: True)
    monkeypatch.setattr(PulumiCommand, "install", install)

    assert ENGINE.ensure(machine.report).origin == "built"
    assert not (machine.place / "bin" / "half").exists()


def test_missing_go_and_network_are_both_reported_with_their_remedies(machine: Machine) -> None:
    with pytest.raises(Failed) as raised:
        ENGINE.ensure(machine.report)

    assert [problem.subject for problem in raised.value.problems] == ["download", "build"]
    assert "`go` is not on PATH" in str(raised.value)
    assert f"install Go {MODULES.go} or newer" in str(raised.value)
    assert machine.left_behind() == []


@pytest.mark.parametrize(("way", "subject"), [("path", "pulumi"), ("download", "download"), ("build", "build")])
def test_variable_restricts_the_sources_of_the_engine(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, way: str, subject: str
) -> None:
    monkeypatch.setenv("DR_TOOLCHAIN", way)

    with pytest.raises(Failed) as raised:
        ENGINE.ensure(machine.report)

    assert [problem.subject for problem in raised.value.problems] == [subject]


def test_unknown_source_of_the_engine_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_TOOLCHAIN", "brew")

    with pytest.raises(Invalid, match=r"is 'brew'.*\n.*path, download, build"):
        ENGINE.find()


def test_old_go_is_reported_with_the_required_version(machine: Machine) -> None:
    machine.install_go(version="1.19.3")

    with pytest.raises(Failed, match=rf"Go is 1\.19\.3; pulumi needs {MODULES.go}") as raised:
        ENGINE.ensure(machine.report)

    assert "GOTOOLCHAIN=auto" in str(raised.value)


def test_old_go_is_accepted_if_it_may_download_a_newer_one(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.install_go(version="1.21.0")
    monkeypatch.setenv("GOTOOLCHAIN", "auto")

    assert ENGINE.ensure(machine.report).origin == "built"


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("link: write /x: no space left on device", "GOCACHE"),
        ("go: dial tcp: lookup mirror: no such host", "GOPROXY"),
        ("x.go:1: undefined: y", "Go's output"),
    ],
)
def test_failed_build_reports_gos_output(machine: Machine, words: str, remedy: str) -> None:
    machine.install_go(build=f"echo '{words}' >&2; exit 1")

    with pytest.raises(Failed) as raised:
        ENGINE.ensure(machine.report)

    assert words in str(raised.value)
    assert remedy in raised.value.problems[-1].remedy
    assert machine.left_behind() == []


def test_engine_of_another_version_is_not_kept(machine: Machine) -> None:
    machine.install_go(build=MAKES_PULUMI.format(version="3.1.0"))

    with pytest.raises(Failed, match=f"is not pulumi {MODULES.version}, or does not run here"):
        ENGINE.ensure(machine.report)

    assert not machine.place.exists()


def test_unwritable_cache_is_reported(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.install_go()
    blocked = machine.path / "go" / "cache"
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(blocked))

    with pytest.raises(Failed) as raised:
        ENGINE.ensure(machine.report)

    assert f"{blocked} cannot be written: Not a directory" in str(raised.value)
    assert "DR_TOOLCHAIN_CACHE" in raised.value.problems[0].remedy


def test_full_disk_is_reported(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))

    machine.install_go()
    monkeypatch.setattr("sandbox.toolchain.pulumi.shutil.copyfile", full)

    with pytest.raises(Failed, match=r"pulumi-language-python-exec cannot be written: No space left on device"):
        ENGINE.ensure(machine.report)

    assert machine.left_behind() == []


def test_incomplete_folder_is_replaced(machine: Machine) -> None:
    machine.install_go()
    command(machine.place / "bin", "pulumi", "echo without its runner")

    assert ENGINE.ensure(machine.report).origin == "built"


def test_second_build_waits_for_the_first(machine: Machine) -> None:
    machine.cache.mkdir()
    found: list[Toolchain] = []
    with (machine.cache / f"{machine.place.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=lambda: found.append(ENGINE.ensure(machine.report)))
        second.start()
        wait_for(lambda: bool(machine.reports))
        cached = machine.fill_cache()
    second.join(PATIENCE_SECONDS)

    assert "waiting for another process" in machine.reports[0][0]
    assert [toolchain.pulumi for toolchain in found] == [cached]


def test_build_after_a_killed_build_starts_clean(machine: Machine, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    machine.install_go(build=f"echo $$ > '{pid}'; exec /bin/sleep 300")
    variables = {**os.environ, "DR_TOOLCHAIN": "build"}
    killed = subprocess.Popen([sys.executable, "-c", ENSURE], cwd=ROOT, env=variables, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: pid.exists() and pid.read_text().strip() != "")
    finally:
        killed.kill()
        killed.wait()
        os.kill(int(pid.read_text()), signal.SIGKILL)
    assert len(machine.left_behind()) == 1
    machine.install_go()

    assert ENGINE.ensure(machine.report).origin == "built"
    assert machine.left_behind() == []
