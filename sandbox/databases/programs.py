"""The programs of PostgreSQL on this machine: Debian's packages, other systems' usual folders, or PATH.

PostgreSQL refuses to run as root (PostgreSQL documentation, "Creating a Database Cluster": initdb "will refuse to run"
as root). Root runs it in a user namespace of its own, in which the same user has another number. So files keep their
owner, and folders that only root may enter can hold a database.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian and Ubuntu
    "/usr/pgsql-*/bin",  # PostgreSQL's packages for Red Hat
)
NEEDED = ("initdb", "pg_basebackup", "pg_rewind", "postgres", "psql")
AS_ANOTHER_USER = ("unshare", "--map-user=1000", "--map-group=1000", "--")
"""Runs a program in a new user namespace (util-linux). The program replaces it, so it keeps its process ID."""
TRIAL_SECONDS = 10.0


@dataclass(frozen=True)
class Programs:
    """The programs of one version.

    Args:
        folder: Their folder.
        prefix: Words before each command.
    """

    folder: Path
    prefix: tuple[str, ...] = ()

    def command(self, program: str, *arguments: str | Path) -> list[str]:
        """Return the command that runs a program."""
        return [*self.prefix, str(self.folder / program), *map(str, arguments)]


def lacking() -> str:
    """Return the reason why this machine cannot run PostgreSQL; "" if it can."""
    if not sys.platform.startswith("linux"):
        return "only on Linux has each endpoint a loopback address of its own"
    if _folder() is None:
        return f"PostgreSQL is not installed ({', '.join(NEEDED)}): `apt-get install postgresql` on Debian"
    if _is_root() and not _can_be_another_user():
        return "PostgreSQL refuses to run as root, and this machine permits no user namespaces"
    return ""


def find() -> Programs:
    """Return the newest version's programs; only where `lacking` has no reason."""
    folder = _folder()
    if folder is None:
        raise RuntimeError(lacking())
    return Programs(folder, AS_ANOTHER_USER if _is_root() else ())


@functools.cache
def _folder() -> Path | None:
    found = [path for pattern in FOLDERS for path in Path("/").glob(pattern[1:])]
    found.sort(key=lambda path: int("".join(re.findall(r"\d+", path.parent.name)) or 0), reverse=True)
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    return next((path for path in found if all((path / each).exists() for each in NEEDED)), None)


def _is_root() -> bool:
    return os.geteuid() == 0


@functools.cache
def _can_be_another_user() -> bool:
    try:
        done = subprocess.run([*AS_ANOTHER_USER, "true"], capture_output=True, timeout=TRIAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
