"""A stack's configuration without the engine: the values of Pulumi.<stack>.yaml over the defaults of Pulumi.yaml.

`dr` needs it to know both regions and the names of their control buckets while no state backend answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr import clients
from dr.config import reader
from dr.config.settings import StackSettings
from dr.errors import Invalid, Problem
from dr.topology.topology import Topology

PROJECT_FILE = "Pulumi.yaml"


def project_folder(start: Path) -> Path:
    """The folder of Pulumi.yaml: the nearest one, from a folder upwards.

    Args:
        start: The folder to start from.

    Raises:
        Invalid: neither the folder nor one above it has a Pulumi.yaml.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    remedy = "run the command in the project's folder or below it, or name it with --project"
    raise Invalid(Problem(PROJECT_FILE, f"neither {start} nor a folder above it has this file", remedy))


def read_config(folder: Path, stack: str) -> dict[str, str]:
    """Return the configuration that the engine hands to the program, without secrets.

    Args:
        folder: The folder of Pulumi.yaml, or one below it.
        stack: The stack's name.

    Raises:
        Invalid: a file is missing or is not valid YAML.
    """
    project, own = _documents(folder, stack)
    defaults = {
        key: declared["default"]
        for key, declared in (project.get("config") or {}).items()
        if isinstance(declared, Mapping) and "default" in declared
    }
    values = {**defaults, **(own.get("config") or {})}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


@dataclass(frozen=True)
class StateSettings:
    """Where Pulumi stores a stack's state, and what encrypts its secrets.

    Args:
        backend: URL of the state backend; "" if none is configured.
        secrets_provider: URL of the secrets provider; "" for a passphrase or the backend's own.
    """

    backend: str
    secrets_provider: str


def read_state_settings(folder: Path, stack: str) -> StateSettings:
    """Return a stack's state backend and secrets provider without the engine.

    The order is the engine's: PULUMI_BACKEND_URL, then `backend` of Pulumi.yaml, then the last `pulumi login`
    (pulumi, pkg/workspace/creds.go, GetCurrentCloudURL).

    Args:
        folder: The folder of Pulumi.yaml, or one below it.
        stack: The stack's name.

    Raises:
        Invalid: A file is missing or is not valid YAML.
    """
    project, own = _documents(folder, stack)
    declared = (project.get("backend") or {}).get("url")
    backend = os.environ.get("PULUMI_BACKEND_URL") or declared or _logged_in()
    return StateSettings(str(backend), str(own.get("secretsprovider") or ""))


def _documents(folder: Path, stack: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the content of Pulumi.yaml and of a stack's file."""
    folder = project_folder(folder)
    project = _read(folder / PROJECT_FILE, "check that it can be read")
    own = _read(folder / f"Pulumi.{stack}.yaml", f"`pulumi stack init {stack}`, or set --stack to another stack")
    return project, own


def _logged_in() -> str:
    file = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "credentials.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8")).get("current") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def load_settings(folder: Path, stack: str) -> StackSettings:
    """Return the settings of a stack. AWS is not called.

    Raises:
        Invalid: the configuration is not valid.
    """
    return reader.read(read_config(folder, stack))


def load_topology(folder: Path, stack: str) -> Topology:
    """Return the topology of a stack, in the account of the credentials in use.

    Raises:
        Invalid: the configuration is not valid.
        Unreachable: STS answers in neither region.
    """
    settings = load_settings(folder, stack)
    try:
        account = clients.account_id(settings.recovery_region)
    except clients.Unreachable:
        account = clients.account_id(settings.primary_region)
    return settings.topology(account)


def _read(path: Path, remedy: str) -> dict[str, Any]:
    import yaml

    try:
        # libyaml parses ten times faster, where PyYAML has it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader
    except FileNotFoundError as error:
        raise Invalid(Problem(str(path), "the file does not exist", remedy)) from error
    except yaml.YAMLError as error:
        raise Invalid(Problem(str(path), f"is not valid YAML: {error}", "fix the line that the error names")) from error
    return values or {}
