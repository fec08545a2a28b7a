"""Folder of this user's own records: the copy of the journal, and evidence of runs. The truth is in the bucket."""

from __future__ import annotations

import os
from pathlib import Path

from dr.clients import IN_SANDBOX


def folder() -> Path:
    """Return the folder: that of the sandbox inside one, else `ml-dr` in the user's state folder.

    The XDG Base Directory Specification names that folder: `XDG_STATE_HOME`, by default `~/.local/state`.
    """
    if sandbox := os.environ.get(IN_SANDBOX):
        return Path(sandbox) / "dr"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ml-dr"
