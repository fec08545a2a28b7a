"""The programs of a Kubernetes control plane.

Go builds all of them at once from the modules that go.mod pins: they share most packages. No installer has all of them,
so `DR_TOOLCHAIN=download` builds them too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dr.errors import Invalid, Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules, numbers
from sandbox.toolchain.cache import command_on_path
from sandbox.toolchain.tool import Installed, Release, Report, Tool, version_of

MODULES = Modules(MODULE_FOLDER / "kubernetes", "Kubernetes", "k8s.io/kubernetes")
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Program to package."""
ACCEPTED = {"etcd": ("3.6", "3.7"), "kube-apiserver": ("1.35", "1.37"), "kwok": ("0.8", "0.9")}
"""Versions accepted on PATH, the second excluded: those that have the flags that the sandbox passes. The other two
programs have to be of the API server's version."""


@dataclass(frozen=True)
class Binaries:
    """The five programs: etcd, kube-apiserver, kube-scheduler, kube-controller-manager, kwok.

    Args:
        folder: Folder that holds them under these names.
        version: Version of Kubernetes.
        origin: `PATH`, `built`, `cached` or `named`.
    """

    folder: Path
    version: str
    origin: str


def in_folder(folder: Path) -> Binaries:
    """The programs in a folder that a person named.

    Raises:
        Invalid: One is missing, or the API server does not run here.
    """
    missing = [name for name in PACKAGES if not os.access(folder / name, os.X_OK)]
    version = None if missing else version_of(folder / "kube-apiserver", "--version")
    if version is None:
        fact = f"it has no {', '.join(missing)}" if missing else "its kube-apiserver does not run here"
        raise Invalid(Problem(str(folder), fact, "`python -m sandbox.toolchain` prints a folder that has them"))
    return Binaries(folder, version, "named")


def _release() -> Release:
    return Release(MODULES.version, f"kubernetes-{MODULES.version}-{MODULES.digest()}")


def _open(folder: Path, origin: str) -> Binaries | None:
    folder /= "bin"
    return Binaries(folder, MODULES.version, origin) if _complete(folder) else None


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in PACKAGES)


def _on_path() -> Binaries | None:
    command = command_on_path("kube-apiserver")
    if command is None or not _complete(command.parent):
        return None
    folder = command.parent
    versions = {name: version_of(folder / name, "--version") for name in PACKAGES}
    fits = all(
        version is not None and numbers(oldest) <= numbers(version) < numbers(before)
        for name, (oldest, before) in ACCEPTED.items()
        for version in [versions[name]]
    )
    same = {version for name, version in versions.items() if name.startswith("kube-")}
    return Binaries(folder, str(versions["kube-apiserver"]), "PATH") if fits and len(same) == 1 else None


def _missing() -> Problem:
    wanted = ", ".join(f"{name} {oldest}" for name, (oldest, _) in ACCEPTED.items())
    fact = f"DR_TOOLCHAIN=path, and no folder of PATH has all of {', '.join(PACKAGES)} ({wanted} or a newer patch)"
    return Problem("Kubernetes", fact, "install them in one folder, or unset DR_TOOLCHAIN")


def _works(folder: Path) -> bool:
    return version_of(folder / "bin" / "kube-apiserver", "--version") == MODULES.version


def _build(folder: Path, report: Report) -> None:
    major, minor, _ = MODULES.version.split(".")
    variables = {"gitVersion": f"v{MODULES.version}", "gitMajor": major, "gitMinor": minor}
    version = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in variables.items())
    commands = folder / "bin"
    commands.mkdir()
    MODULES.build(list(PACKAGES.values()), version, commands, report)
    # Go names a program by the last part of its package path that is not a version.
    (commands / "server").rename(commands / "etcd")


KUBERNETES: Tool[Binaries] = Tool(
    subject=MODULES.subject,
    release=_release,
    minutes=7.0,
    open=_open,
    works=_works,
    ways={"build": (_build, "built")},
    installed=Installed(_on_path, _missing),
)
"""The programs of a control plane."""
