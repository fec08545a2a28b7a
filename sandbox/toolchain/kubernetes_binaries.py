"""The programs of a Kubernetes control plane: those on PATH, else those in the user's cache, else built for that cache.

They are built with Go from what go.mod pins, all at once: most of what they are made of is the same. There is no
installer for all of them, so `DR_TOOLCHAIN=download` builds them too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from dr.errors import Failed, Invalid, Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules, numbers
from sandbox.toolchain.cache import Kept, Report, cache, chosen_way, find, version_of

MODULES = Modules(MODULE_FOLDER / "kubernetes", "Kubernetes", "k8s.io/kubernetes", minutes=7.0)
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Program to package."""
ACCEPTED = {"etcd": ("3.6", "3.7"), "kube-apiserver": ("1.35", "1.37"), "kwok": ("0.8", "0.9")}
"""What is accepted on PATH, from and before: versions that know the flags given to them. The other two are of the same
version as the API server."""


@dataclass(frozen=True)
class Binaries:
    """The five programs: etcd, kube-apiserver, kube-scheduler, kube-controller-manager, kwok.

    Args:
        folder: Where they are, under these names.
        version: Of Kubernetes.
        origin: `PATH`, `built`, `cached` or `named`.
    """

    folder: Path
    version: str
    origin: str


@once
def kept() -> Kept:
    """What go.mod and go.sum ask for, all five versions of it."""
    digest = hashlib.sha256((MODULES.folder / "go.sum").read_bytes()).hexdigest()[:8]
    return Kept("Kubernetes", MODULES.version, f"kubernetes-{MODULES.version}-{digest}")


def find_binaries() -> Binaries | None:
    """The programs that are there already; it builds nothing.

    Raises:
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    return find(_on_path, _cached)


def ensure_binaries(report: Report) -> Binaries:
    """The programs that are there, or else new ones. Safe when several processes ask at once, or one is killed.

    Raises:
        Failed: They are not there and cannot be had, or the cache cannot be written.
        Invalid: `DR_TOOLCHAIN` is not one of its values.
    """
    if found := find_binaries():
        return found
    if chosen_way() == "path":
        wanted = ", ".join(f"{name} {oldest}" for name, (oldest, _) in ACCEPTED.items())
        fact = f"DR_TOOLCHAIN=path, and no folder of PATH has all of {', '.join(PACKAGES)} ({wanted} or fitting)"
        raise Failed(Problem("Kubernetes", fact, "install them in one folder, or unset DR_TOOLCHAIN"))
    return kept().get(_cached, {"build": (_build, "built")}, _runs, report)


def in_folder(folder: Path) -> Binaries:
    """The programs in a folder that somebody named.

    Raises:
        Invalid: They are not all there, or do not run.
    """
    missing = [name for name in PACKAGES if not os.access(folder / name, os.X_OK)]
    version = None if missing else version_of(folder / "kube-apiserver", "--version")
    if version is None:
        fact = f"it has no {', '.join(missing)}" if missing else "its kube-apiserver does not run here"
        raise Invalid(Problem(str(folder), fact, "`python -m sandbox.toolchain kubernetes` says where there are some"))
    return Binaries(folder, version, "named")


def _cached(origin: str) -> Binaries | None:
    folder = kept().place / "bin"
    return Binaries(folder, kept().version, origin) if _complete(folder) else None


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in PACKAGES)


def _on_path() -> Binaries | None:
    command = shutil.which("kube-apiserver")
    if not command or Path(command).resolve().is_relative_to(cache().resolve()):
        return None
    folder = Path(command).parent
    if not _complete(folder):
        return None
    versions = {name: version_of(folder / name, "--version") for name in PACKAGES}
    fits = all(
        version is not None and numbers(oldest) <= numbers(version) < numbers(before)
        for name, (oldest, before) in ACCEPTED.items()
        for version in [versions[name]]
    )
    same = {version for name, version in versions.items() if name.startswith("kube-")}
    return Binaries(folder, str(versions["kube-apiserver"]), "PATH") if fits and len(same) == 1 else None


def _runs(folder: Path) -> bool:
    return version_of(folder / "bin" / "kube-apiserver", "--version") == kept().version


def _build(folder: Path, report: Report) -> None:
    major, minor, _ = MODULES.version.split(".")
    said = {"gitVersion": f"v{MODULES.version}", "gitMajor": major, "gitMinor": minor}
    version = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in said.items())
    commands = folder / "bin"
    commands.mkdir()
    MODULES.build(list(PACKAGES.values()), version, commands, report)
    # Go names a program by the last part of its package that is no version.
    (commands / "server").rename(commands / "etcd")
