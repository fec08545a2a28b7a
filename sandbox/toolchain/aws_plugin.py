"""The AWS plugin that the sandbox's engine runs: the stand-in, or a real one that a person has.

Environment:

- `DR_AWS_PLUGIN` unset: the stand-in, even where a real plugin is installed.
- `DR_AWS_PLUGIN=path`: the executable at that path.
- `DR_AWS_PLUGIN=installed`: the plugin in the person's Pulumi home, `${PULUMI_HOME:-~/.pulumi}`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dr.errors import Invalid, Problem

VARIABLE = "DR_AWS_PLUGIN"
INSTALLED = "installed"
COMMAND = "pulumi-resource-aws"
VERSION_SECONDS = 60.0
"""Longest wait for a plugin, a program of hundreds of megabytes, to print its version."""


@dataclass(frozen=True)
class AwsPlugin:
    """A real AWS plugin.

    Args:
        path: The executable, absolute.
        version: Version of the installed SDK; a plugin of another version is refused.
        origin: `DR_AWS_PLUGIN` or `installed`.
    """

    path: Path
    version: str
    origin: str


def chosen() -> AwsPlugin | None:
    """The real plugin that `DR_AWS_PLUGIN` names; None for the stand-in.

    Raises:
        Invalid: There is no such executable, or it is of another version than the SDK.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return None
    return _installed() if wanted == INSTALLED else _named(Path(wanted).expanduser().absolute())


def variables() -> dict[str, str]:
    """Variables that name the same plugin inside the sandbox, where PULUMI_HOME is not the person's."""
    plugin = chosen()
    return {VARIABLE: str(plugin.path)} if plugin else {}


def description() -> str:
    """The chosen plugin, as `make up` shows it."""
    plugin = chosen()
    if plugin is None:
        return "AWS plugin: the sandbox's stand-in"
    return f"AWS plugin {plugin.version} ({plugin.origin}): {plugin.path}"


def sdk_version() -> str:
    """Version of the installed SDK, which has to be the plugin's too."""
    return importlib.metadata.version("pulumi-aws")


def _installed() -> AwsPlugin:
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    version = sdk_version()
    path = home.expanduser().absolute() / "plugins" / f"resource-aws-v{version}" / COMMAND
    if not os.access(path, os.X_OK):
        fact = f"is {INSTALLED}, and {path} is not an executable; the SDK here is {version} and needs its own version"
        raise Invalid(Problem(VARIABLE, fact, _install(version)))
    return AwsPlugin(path, version, INSTALLED)


def _named(path: Path) -> AwsPlugin:
    version = sdk_version()
    if not path.is_file():
        fact = f"is {path}, which is not a file"
        raise Invalid(Problem(VARIABLE, fact, f"name the file {COMMAND}, or unset it for the stand-in"))
    if not os.access(path, os.X_OK):
        raise Invalid(Problem(VARIABLE, f"is {path}, which is not executable", f"`chmod +x {path}`"))
    found = _version_of(path, path.stat().st_mtime_ns)
    if found is None:
        fact = f"is {path}, which prints no version for --version, as the plugin does"
        raise Invalid(Problem(VARIABLE, fact, f"name a {COMMAND} {version} that runs on this machine"))
    if found != version:
        fact = f"is {path}, version {found}; the SDK here is {version}, and the schemas of two versions differ"
        raise Invalid(Problem(VARIABLE, fact, f"{_install(version)}, then {VARIABLE}={INSTALLED}"))
    return AwsPlugin(path, version, VARIABLE)


@functools.cache
def _version_of(path: Path, changed: int) -> str | None:
    """The version that a plugin prints; None where it does not run or prints none. Cached for each file."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"v?(\d+\.\d+\.\d+\S*)", done.stdout.strip())
    return match[1] if match and done.returncode == 0 else None


def _install(version: str) -> str:
    return f"`pulumi plugin install resource aws {version}`"
