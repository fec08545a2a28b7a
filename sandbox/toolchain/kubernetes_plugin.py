"""Which Kubernetes plugin the sandbox's engine loads, and how a new one is made for the user's cache.

Tried in this order: the one that the person's own Pulumi has downloaded, the cached one, a download, a build with Go
from the modules that the sandbox's Kubernetes is built from: what both are made of is compiled once. The module has one
version that can be built, which is older than the SDK: what is different is in docs/sandbox.md.

Environment:

- `DR_KUBERNETES_PLUGIN`: the executable to use, instead of all that.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache as once
from importlib import metadata
from pathlib import Path

from dr.errors import Failed, Invalid, Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules
from sandbox.toolchain.cache import Kept, Report, Way, cache, chosen_way, find
from sandbox.toolchain.pulumi import reachable

NAME = "pulumi-resource-kubernetes"
MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
FOLDER = MODULE_FOLDER / "kubernetes"
MODULES = Modules(FOLDER, "the Kubernetes plugin", MODULE, minutes=3.0)
MAIN = "./plugin"
BESIDE = ("schema.json", "terraform-mapping.json")
"""Files of the module that the plugin hands out (`pulumi import`, `pulumi convert`); ours reads them beside itself."""
DOWNLOAD_SECONDS, START_SECONDS = 300.0, 30.0
VERSION = metadata.version("pulumi-kubernetes")
"""The SDK's, which the engine asks for."""


@dataclass(frozen=True)
class Plugin:
    """A Kubernetes plugin that can be run.

    Args:
        path: The executable.
        version: What its source says.
        origin: `installed`, `downloaded`, `built`, `cached` or `named`.
    """

    path: Path
    version: str
    origin: str


@once
def kept() -> Kept:
    """What go.mod, go.sum and our main package ask for."""
    digest = hashlib.sha256()
    for file in (FOLDER / "go.sum", *sorted((FOLDER / MAIN).rglob("*.*"))):
        digest.update(file.read_bytes())
    return Kept(MODULES.subject, VERSION, f"kubernetes-plugin-{VERSION}-{digest.hexdigest()[:8]}")


def find_plugin() -> Plugin | None:
    """The plugin that is there already; it builds and downloads nothing.

    Raises:
        Invalid: `DR_KUBERNETES_PLUGIN` is no executable, or `DR_TOOLCHAIN` not one of its values.
    """
    if named := os.environ.get("DR_KUBERNETES_PLUGIN"):
        path = Path(named).expanduser().absolute()
        if not (path.is_file() and os.access(path, os.X_OK)):
            remedy = f"name a {NAME} of version {VERSION}, or unset it"
            raise Invalid(Problem("DR_KUBERNETES_PLUGIN", f"{path} is not an executable file", remedy))
        return Plugin(path, VERSION, "named")
    return find(_installed, _cached)


def ensure_plugin(report: Report) -> Plugin:
    """The plugin that is there, or else a new one. Safe when several processes ask at once, or one is killed.

    Raises:
        Failed: None is there and none can be had, or the cache cannot be written.
        Invalid: As `find_plugin`.
    """
    if found := find_plugin():
        return found
    way = chosen_way()
    if way == "path":
        fact = f"DR_TOOLCHAIN=path, and {_persons_own()} does not exist"
        remedy = f"run `pulumi plugin install resource kubernetes {VERSION}`, or unset DR_TOOLCHAIN"
        raise Failed(Problem(MODULES.subject, fact, remedy))
    return kept().get(_cached, {way: WAYS[way]} if way in WAYS else WAYS, _runs, report)


def _persons_own() -> Path:
    """Where the person's own Pulumi keeps it; in the sandbox's shell PULUMI_HOME is the sandbox's."""
    inside = "DR_SANDBOX_STATE" in os.environ
    home = None if inside else os.environ.get("PULUMI_HOME")
    return (Path(home) if home else Path.home() / ".pulumi") / "plugins" / f"resource-kubernetes-v{VERSION}" / NAME


def _installed() -> Plugin | None:
    path = _persons_own()
    # Go reads SSL_CERT_FILE, by which a chart's host is trusted, on Linux alone; our own main package does elsewhere.
    usable = sys.platform == "linux" and os.access(path, os.X_OK)
    return Plugin(path, VERSION, "installed") if usable else None


def _cached(origin: str) -> Plugin | None:
    path = kept().place / "bin" / NAME
    built = all((path.parent / name).exists() for name in BESIDE)
    version = f"{VERSION}, source of {MODULES.label}" if built else VERSION
    return Plugin(path, version, origin) if os.access(path, os.X_OK) else None


def _runs(folder: Path) -> bool:
    """Whether it starts: then it prints the port on which it serves."""
    with subprocess.Popen([folder / "bin" / NAME], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        patience = threading.Timer(START_SECONDS, process.kill)
        patience.start()
        try:
            return process.stdout is not None and process.stdout.readline().strip().isdigit()
        finally:
            patience.cancel()
            process.kill()


def _build(folder: Path, report: Report) -> None:
    commands = folder / "bin"
    commands.mkdir()
    MODULES.build([MAIN], f"-X {MODULE}/pkg/version.Version={VERSION}", commands / NAME, report)
    source = MODULES.source(MODULE) / "cmd" / NAME
    for name in BESIDE:
        shutil.copyfile(source / name, commands / name)


def _download(folder: Path, report: Report) -> None:
    engine = shutil.which("pulumi") or shutil.which("pulumi", path=os.pathsep.join(map(str, cache().glob("*/bin"))))
    if engine is None or not reachable():
        fact = "there is no `pulumi` yet" if engine is None else "Pulumi's server does not answer"
        raise Failed(
            Problem("download", fact, f"go online and run `pulumi plugin install resource kubernetes {VERSION}`")
        )
    report(f"downloading {MODULES.subject} {VERSION}", None)
    home = folder / "home"
    variables = {**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "1"}
    variables.pop("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", None)
    command = [engine, "plugin", "install", "resource", "kubernetes", VERSION]
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired as error:
        fact = f"`pulumi plugin install` has not ended after {DOWNLOAD_SECONDS:g} s"
        raise Failed(Problem("download", fact, "try again, or let it be built (DR_TOOLCHAIN=build)")) from error
    if done.returncode:
        fact = f"`pulumi plugin install` ended with {done.returncode}: {done.stderr.strip()[-500:]}"
        raise Failed(Problem("download", fact, "try again, or let it be built (DR_TOOLCHAIN=build)"))
    (home / "plugins" / f"resource-kubernetes-v{VERSION}").rename(folder / "bin")
    shutil.rmtree(home)


BUILD: Way = (_build, "built")
WAYS: dict[str, Way] = (
    {"download": (_download, "downloaded"), "build": BUILD} if sys.platform == "linux" else {"build": BUILD}
)
"""How a new one is made in a folder, in the order in which they are tried, and what it is called then."""
