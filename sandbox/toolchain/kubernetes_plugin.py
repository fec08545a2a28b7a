"""The Kubernetes plugin that the sandbox's engine loads.

Tried in this order: the plugin that the person's own Pulumi downloaded, the cached one, a download, a build with Go.
The build uses the modules of the sandbox's Kubernetes, so that shared packages are compiled once. The only version of
the module that builds is older than the SDK; docs/sandbox.md lists the differences.

Environment:

- `DR_KUBERNETES_PLUGIN`: path of the executable to use instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dr.errors import Failed, Invalid, Problem
from sandbox.toolchain.build import MODULE_FOLDER, Modules
from sandbox.toolchain.cache import cache
from sandbox.toolchain.pulumi import reachable
from sandbox.toolchain.tool import Installed, Release, Report, Tool, Way

NAME = "pulumi-resource-kubernetes"
MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
FOLDER = MODULE_FOLDER / "kubernetes"
MODULES = Modules(FOLDER, "the Kubernetes plugin", MODULE)
MAIN = "./plugin"
BESIDE = ("schema.json", "terraform-mapping.json")
"""Files of the module that the plugin serves to `pulumi import` and `pulumi convert`; ours reads them beside itself."""
DOWNLOAD_SECONDS, START_SECONDS = 300.0, 30.0
VERSION = metadata.version("pulumi-kubernetes")
"""Version of the SDK, which the engine requires of the plugin."""
INSTALL = f"pulumi plugin install resource kubernetes {VERSION}"
VARIABLE = "DR_KUBERNETES_PLUGIN"


@dataclass(frozen=True)
class Plugin:
    """A Kubernetes plugin that can be run.

    Args:
        path: The executable.
        version: Version of the SDK, and where the plugin was built, of its source.
        origin: `installed`, `downloaded`, `built`, `cached` or `named`.
    """

    path: Path
    version: str
    origin: str


def _release() -> Release:
    sources = [file.read_bytes() for file in sorted((FOLDER / MAIN).rglob("*.*"))]
    return Release(VERSION, f"kubernetes-plugin-{VERSION}-{MODULES.digest(*sources)}")


def _named() -> Plugin | None:
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    path = Path(named).expanduser().absolute()
    if not (path.is_file() and os.access(path, os.X_OK)):
        remedy = f"name a {NAME} of version {VERSION}, or unset it"
        raise Invalid(Problem(VARIABLE, f"{path} is not an executable file", remedy))
    return Plugin(path, VERSION, "named")


def _persons_own() -> Path:
    """The plugin's path in the person's own Pulumi home; in the sandbox's shell PULUMI_HOME is the sandbox's."""
    inside = "DR_SANDBOX_STATE" in os.environ
    home = None if inside else os.environ.get("PULUMI_HOME")
    return (Path(home) if home else Path.home() / ".pulumi") / "plugins" / f"resource-kubernetes-v{VERSION}" / NAME


def _installed() -> Plugin | None:
    path = _persons_own()
    # The plugin trusts a chart's host by SSL_CERT_FILE. Go reads it on Linux only; elsewhere our main package does.
    usable = sys.platform == "linux" and os.access(path, os.X_OK)
    return Plugin(path, VERSION, "installed") if usable else None


def _missing() -> Problem:
    fact = f"DR_TOOLCHAIN=path, and {_persons_own()} does not exist"
    return Problem(MODULES.subject, fact, f"run `{INSTALL}`, or unset DR_TOOLCHAIN")


def _open(folder: Path, origin: str) -> Plugin | None:
    path = folder / "bin" / NAME
    built = all((path.parent / name).exists() for name in BESIDE)
    version = f"{VERSION}, source of {MODULES.label}" if built else VERSION
    return Plugin(path, version, origin) if os.access(path, os.X_OK) else None


def _works(folder: Path) -> bool:
    """Whether the plugin starts: a plugin prints the port on which it serves."""
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
        fact = "`pulumi` is missing" if engine is None else "Pulumi's server does not answer"
        raise Failed(Problem("download", fact, f"go online and run `{INSTALL}`"))
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


DOWNLOAD: Mapping[str, Way] = {"download": (_download, "downloaded")} if sys.platform == "linux" else {}
PLUGIN: Tool[Plugin] = Tool(
    subject=MODULES.subject,
    release=_release,
    minutes=3.0,
    open=_open,
    works=_works,
    ways={**DOWNLOAD, "build": (_build, "built")},
    installed=Installed(_installed, _missing),
    named=_named,
)
"""The engine's plugin for Kubernetes."""
