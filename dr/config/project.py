"""A checkout's configuration without the engine: Pulumi.yaml's defaults under Pulumi.<stack>.yaml's values.

So `dr` knows both regions, and the names of their control buckets, on a day on which no state backend answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dr import clients
from dr.config import reader
from dr.errors import Invalid, Problem
from dr.topology.topology import Topology


def read_config(folder: Path, stack: str) -> dict[str, str]:
    """The configuration the engine would hand to the program, secrets apart.

    Args:
        folder: Where Pulumi.yaml is.
        stack: The stack's name.

    Raises:
        Invalid: a file is missing or is no YAML.
    """
    project = _read(folder / "Pulumi.yaml", "run it in the project's folder, or name that with --project")
    own = _read(folder / f"Pulumi.{stack}.yaml", f"`pulumi stack init {stack}`, or name another stack with --stack")
    defaults = {
        key: declared["default"]
        for key, declared in (project.get("config") or {}).items()
        if isinstance(declared, Mapping) and "default" in declared
    }
    values = {**defaults, **(own.get("config") or {})}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def load_topology(folder: Path, stack: str) -> Topology:
    """The topology of a stack, for the account of the credentials in use.

    Raises:
        Invalid: the configuration cannot be used.
        Unreachable: no region's STS answers.
    """
    raw = read_config(folder, stack)
    checked = reader.load(raw, account="0" * 12)
    try:
        account = clients.account_id(checked.recovery.region)
    except clients.Unreachable:
        account = clients.account_id(checked.primary.region)
    return reader.load(raw, account)


def _read(path: Path, remedy: str) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Invalid(Problem(str(path), "there is no such file", remedy)) from error
    except yaml.YAMLError as error:
        raise Invalid(Problem(str(path), f"this is no YAML: {error}", "mend the line it names")) from error
    return values or {}
