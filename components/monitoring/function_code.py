"""The code of functions, as archives."""

from __future__ import annotations

import pulumi

from components.code_files import files_of


def code_of(function: str) -> pulumi.AssetArchive:
    """The archive of a function: `dr/functions/<function>.py` and what it imports."""
    files = files_of(f"dr.functions.{function}")
    return pulumi.AssetArchive({file: pulumi.StringAsset(text) for file, text in files.items()})


def handler_of(function: str) -> str:
    """What Lambda is told to call."""
    return f"dr/functions/{function}.handler"
