"""Search and build of Kubernetes, with fake commands: nothing is compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from dr.errors import Failed, Invalid
from sandbox.toolchain import kubernetes_binaries
from sandbox.toolchain.build import numbers
from sandbox.toolchain.kubernetes_binaries import KUBERNETES, MODULES, PACKAGES, Binaries, in_folder
from tests.support.toolchain import command, silent

OUTPUT = {
    "etcd": "etcd Version: {etcd}\nGit SHA: x\nGo Version: go1.26.8",
    "kwok": "kwok version v{kwok} go1.26.8 (linux/amd64)",
} | {name: "Kubernetes v{kubernetes}" for name in PACKAGES if name.startswith("kube-")}

FAKE_GO = f"""\
case "$1 $*" in
    version*) echo "go version go{MODULES.go} linux/amd64" ;;
    list*-deps*) printf 'true\\ntrue\\n' ;;
    build*) echo "$*" > "$0.output"
        while [ "$1" != -o ]; do shift; done
        for name in server kube-apiserver kube-scheduler kube-controller-manager kwok; do
            printf '#!/bin/sh\\necho Kubernetes v{{version}}\\n' > "$2/$name"; /bin/chmod 755 "$2/$name"
        done ;;
esac
"""


def install(folder: Path, etcd: str = "3.6.8", kubernetes: str = "1.36.9", kwok: str = "0.8.1") -> None:
    for name, output in OUTPUT.items():
        text = output.format(etcd=etcd, kubernetes=kubernetes, kwok=kwok)
        command(folder / name, f"/bin/cat <<'end'\n{text}\nend")


def test_pinned_module_is_locked_with_its_hash() -> None:
    sums = (MODULES.folder / "go.sum").read_text()

    assert f"k8s.io/kubernetes v{MODULES.version} h1:" in sums
    for package in PACKAGES.values():
        assert f"\t{package}\n" in (MODULES.folder / "go.mod").read_text()


def test_pinned_version_is_accepted_on_path() -> None:
    oldest, before = kubernetes_binaries.ACCEPTED["kube-apiserver"]

    assert numbers(oldest) <= numbers(MODULES.version) < numbers(before)


def test_all_five_programs_on_path_are_used(path: Path) -> None:
    install(path)

    assert KUBERNETES.find() == Binaries(path, "1.36.9", "PATH")


@pytest.mark.parametrize(
    "versions",
    [{"etcd": "3.5.21"}, {"kubernetes": "1.34.1"}, {"kubernetes": "1.37.0"}, {"kwok": "0.7.0"}],
)
def test_untested_version_on_path_is_skipped(path: Path, versions: dict[str, str]) -> None:
    install(path, **versions)

    assert KUBERNETES.find() is None


def test_programs_of_two_kubernetes_versions_are_skipped(path: Path) -> None:
    install(path)
    command(path / "kube-scheduler", "echo Kubernetes v1.35.2")

    assert KUBERNETES.find() is None


@pytest.mark.parametrize("missing", PACKAGES)
def test_four_of_five_programs_are_skipped(path: Path, missing: str) -> None:
    install(path)
    (path / missing).unlink()

    assert KUBERNETES.find() is None


@pytest.mark.parametrize("way", [None, "build", "download"])
def test_programs_are_built_together_and_kept(path: Path, monkeypatch: pytest.MonkeyPatch, way: str | None) -> None:
    command(path / "go", FAKE_GO.replace("{version}", MODULES.version))
    if way:
        monkeypatch.setenv("DR_TOOLCHAIN", way)

    made = KUBERNETES.ensure(silent)

    assert made == Binaries(KUBERNETES.place / "bin", MODULES.version, "built")
    assert {each.name for each in made.folder.iterdir()} == set(PACKAGES)
    output = (path / "go.output").read_text()
    assert f"version.gitVersion=v{MODULES.version}" in output
    assert all(package in output for package in PACKAGES.values())
    assert KUBERNETES.ensure(silent).origin == "cached"


def test_build_of_another_version_is_not_kept(path: Path) -> None:
    command(path / "go", FAKE_GO.replace("{version}", "1.1.1"))

    with pytest.raises(Failed, match=f"is not Kubernetes {MODULES.version}, or does not run here"):
        KUBERNETES.ensure(silent)
    assert not KUBERNETES.place.exists()


def test_missing_go_is_reported_with_the_remedy(path: Path) -> None:
    with pytest.raises(Failed, match=rf"install Go {MODULES.go} or newer and put it on PATH, or install Kubernetes"):
        KUBERNETES.ensure(silent)


def test_missing_programs_are_reported_where_only_path_is_allowed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_TOOLCHAIN", "path")

    with pytest.raises(Failed, match=r"no folder of PATH has all of etcd, kube-apiserver"):
        KUBERNETES.ensure(silent)


def test_named_folder_must_have_all_programs(path: Path) -> None:
    install(path)
    assert in_folder(path) == Binaries(path, "1.36.9", "named")

    command(path / "kube-apiserver", "exit 1")
    with pytest.raises(Invalid, match="its kube-apiserver does not run here"):
        in_folder(path)
    (path / "kwok").unlink()
    with pytest.raises(Invalid, match="it has no kwok"):
        in_folder(path)
