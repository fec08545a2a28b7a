"""The code of functions: an explicit list of files, as the texts they are. Pure, but for reading them.

Texts, and not paths: the same files give the same archive on every machine, and nothing that lies about in a folder
goes along.
"""

from __future__ import annotations

from pathlib import Path

import pulumi

FOLDER = Path(__file__).parents[1]
SHARED = ("__init__", "clients", "errors", "levers", "objectives", "state", "functions/__init__", "functions/settings")
"""Modules of dr/ that every function needs."""


def code_of(function: str) -> pulumi.AssetArchive:
    """The archive of a function: `dr/functions/<function>.py` and what it imports."""
    files = [f"dr/{module}.py" for module in (*SHARED, f"functions/{function}")]
    return pulumi.AssetArchive({file: pulumi.StringAsset((FOLDER / file).read_text("utf-8")) for file in files})


def handler_of(function: str) -> str:
    """What Lambda is told to call."""
    return f"dr/functions/{function}.handler"
