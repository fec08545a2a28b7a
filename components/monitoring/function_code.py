"""Archives of the Lambda functions' code."""

from __future__ import annotations

import pulumi

from components.code_files import files_of


def archive_of(function: str) -> pulumi.AssetArchive:
    """Return the archive of a function: `dr/functions/<function>.py` and what it imports."""
    files = files_of(f"dr.functions.{function}")
    return pulumi.AssetArchive({file: pulumi.StringAsset(text) for file, text in files.items()})


def handler_of(function: str) -> str:
    """Return the handler that Lambda calls."""
    return f"dr/functions/{function}.handler"
