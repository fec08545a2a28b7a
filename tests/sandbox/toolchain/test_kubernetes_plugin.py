"""Search, download and build of the Kubernetes plugin, with fake commands: nothing is downloaded, nothing compiled."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dr.errors import Failed, Invalid
from sandbox.toolchain import kubernetes_plugin
from sandbox.toolchain.kubernetes_plugin import BESIDE, MODULES, NAME, PLUGIN, VERSION, Plugin
from tests.support.toolchain import command, silent

SERVES = "echo 12345; exec /bin/sleep 60"
FAKE_GO = f"""\
case "$1 $*" in
    version*) echo "go version go{MODULES.go} linux/amd64" ;;
    list*-deps*) printf 'true\\ntrue\\n' ;;
    list*-m*) echo '{{source}}' ;;
    build*) echo "$*" > "$0.output"
        while [ "$1" != -o ]; do shift; done
        printf '#!/bin/sh\\n{{serves}}\\n' > "$2"; /bin/chmod 755 "$2" ;;
esac
"""


class Machine:
    """A machine with nothing on PATH, no internet, an empty cache and an empty Pulumi home."""

    def __init__(self, folder: Path) -> None:
        self.path, self.source, self.home = folder / "path", folder / "source", folder / "pulumi"
        self.path.mkdir()

    def install_go(self, serves: str = SERVES) -> None:
        for name in BESIDE:
            file = self.source / "cmd" / NAME / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}")
        command(self.path / "go", FAKE_GO.format(source=self.source, serves=serves))

    def install_plugin(self, version: str = VERSION) -> Path:
        return command(self.home / "plugins" / f"resource-kubernetes-v{version}" / NAME, SERVES)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.path))
    monkeypatch.setenv("PULUMI_HOME", str(machine.home))
    monkeypatch.setenv("DR_TOOLCHAIN_CACHE", str(tmp_path / "cache"))
    for name in ("DR_TOOLCHAIN", "DR_KUBERNETES_PLUGIN", "DR_SANDBOX_STATE", "GOTOOLCHAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(kubernetes_plugin, "reachable", lambda: False)
    return machine


def test_module_of_the_plugin_is_locked_with_its_hash() -> None:
    assert f"{kubernetes_plugin.MODULE} v{MODULES.version} h1:" in (MODULES.folder / "go.sum").read_text()


def test_plugin_is_built_from_the_projects_main_package_with_the_sdks_version(machine: Machine) -> None:
    machine.install_go()
    made = PLUGIN.ensure(silent)

    place = PLUGIN.place / "bin"
    assert made == Plugin(place / NAME, f"{VERSION}, source of 2026-01-15", "built")
    assert {each.name for each in place.iterdir()} == {NAME, *BESIDE}
    output = (machine.path / "go.output").read_text()
    assert output.endswith(" ./plugin\n")
    assert f"pkg/version.Version={VERSION}" in output
    assert PLUGIN.ensure(silent).origin == "cached"


def test_plugin_that_does_not_serve_is_not_kept(machine: Machine) -> None:
    machine.install_go(serves="echo no such host; exit 1")
    with pytest.raises(Failed, match=f"is not the Kubernetes plugin {VERSION}, or does not run here"):
        PLUGIN.ensure(silent)
    assert not PLUGIN.place.exists()


def test_cached_plugin_of_another_version_is_skipped(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.install_go()
    PLUGIN.ensure(silent)
    monkeypatch.setattr(kubernetes_plugin, "VERSION", "4.99.0")

    assert PLUGIN.find() is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a plugin of Pulumi's own does not trust the sandbox")
def test_plugin_in_the_users_pulumi_home_is_preferred(machine: Machine) -> None:
    machine.install_go()
    PLUGIN.ensure(silent)
    theirs = machine.install_plugin()

    assert PLUGIN.find() == Plugin(theirs, VERSION, "installed")


def test_plugin_of_another_version_in_the_users_pulumi_home_is_skipped(machine: Machine) -> None:
    machine.install_plugin("4.0.0")

    assert PLUGIN.find() is None


def test_plugin_named_by_the_variable_is_used(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = command(tmp_path / "mine", SERVES)
    monkeypatch.setenv("DR_KUBERNETES_PLUGIN", str(named))

    assert PLUGIN.ensure(silent) == Plugin(named, VERSION, "named")


def test_variable_that_names_no_executable_is_refused(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DR_KUBERNETES_PLUGIN", str(tmp_path / "absent"))

    with pytest.raises(Invalid, match=rf"absent is not an executable file.*\n.*version {VERSION}"):
        PLUGIN.find()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is always built")
def test_plugin_is_downloaded_by_the_users_pulumi_when_online(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_plugin, "reachable", lambda: True)
    folder = f'"$PULUMI_HOME/plugins/resource-kubernetes-v{VERSION}"'
    install = (
        f"/bin/mkdir -p {folder}; printf '#!/bin/sh\\n{SERVES}\\n' > {folder}/{NAME}; /bin/chmod 755 {folder}/{NAME}"
    )
    command(machine.path / "pulumi", install)

    assert PLUGIN.ensure(silent) == Plugin(PLUGIN.place / "bin" / NAME, VERSION, "downloaded")


def test_missing_go_and_network_are_both_reported_with_their_remedies(machine: Machine) -> None:
    with pytest.raises(Failed) as raised:
        PLUGIN.ensure(silent)

    assert "`go` is not on PATH" in str(raised.value)
    if sys.platform == "linux":
        assert f"`pulumi plugin install resource kubernetes {VERSION}`" in str(raised.value)


def test_missing_programs_are_reported_where_only_path_is_allowed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DR_TOOLCHAIN", "path")

    with pytest.raises(Failed, match=rf"DR_TOOLCHAIN=path, and .*{NAME} does not exist"):
        PLUGIN.ensure(silent)
