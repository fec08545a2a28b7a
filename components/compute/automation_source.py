"""Source of automation's builds: the program `dr` and the configuration that was deployed. Pure, except for reading.

The configuration is that of the engine, so that automation decides by what was deployed, wherever it was set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.code_files import FOLDER, PACKAGE
from dr.config.project import PROJECT_FILE
from dr.config.reader import PROVIDER_REGION
from dr.config.settings import NAMESPACE

SOURCE_KEY = "automation/source.zip"
"""Object of the recovery region's control bucket."""
SUFFIXES = frozenset({".py", ".html", ".css"})
"""Suffixes of files of the package."""
ABOUT = "pyproject.toml"
"""File with the version, which `dr` shows and records."""


def program_files() -> dict[str, Path]:
    """Return the files of the program by their path in the archive, sorted."""
    return {path.relative_to(FOLDER).as_posix(): path for path in sorted(_program())}


def project_files(config: Mapping[str, str], stack: str) -> dict[str, str]:
    """Return the texts of the project's files by their path in the archive. JSON is valid YAML.

    Args:
        config: The engine's configuration: `namespace:key` to text. Keys of other namespaces are left out.
        stack: Name of the stack.
    """
    own = {key: config[key] for key in sorted(config) if key == PROVIDER_REGION or key.startswith(f"{NAMESPACE}:")}
    return {
        PROJECT_FILE: json.dumps({"name": NAMESPACE, "runtime": "python"}),
        f"Pulumi.{stack}.yaml": json.dumps({"config": own}, indent=1),
    }


def _program() -> Iterator[Path]:
    yield FOLDER / ABOUT
    yield from (path for path in (FOLDER / PACKAGE).rglob("*") if path.suffix in SUFFIXES and path.is_file())
