"""Archives of the program, as the engine hands them to a plugin, and their zip files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.aws_plugin.plugin import SandboxError

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key of an object's kind in the engine's protocol (pulumi/sdk, resource/properties.go)."""
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time of the zip format, so that the same files give the same bytes."""
READABLE = 0o644 << 16


def _files(archive: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """The files of an archive of texts and files."""
    if archive.get(SIGNATURE) != ARCHIVE or "assets" not in archive:
        raise SandboxError("the sandbox takes an AssetArchive of StringAssets and FileAssets")
    for name, part in archive["assets"].items():
        if part.get(SIGNATURE) == ARCHIVE:
            yield from _files(part, f"{prefix}{name}/")
        elif "text" in part:
            yield f"{prefix}{name}", part["text"].encode()
        elif "path" in part:
            yield f"{prefix}{name}", Path(part["path"]).read_bytes()
        else:
            raise SandboxError(f"{prefix}{name} is neither a text nor a file")


def zipped(archive: Mapping[str, Any]) -> bytes:
    """An archive's zip file: the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in sorted(_files(archive)):
            about = zipfile.ZipInfo(name, FIRST_DAY)
            about.external_attr = READABLE
            target.writestr(about, content)
    return buffer.getvalue()


def same_archive(one: Any, other: Any) -> bool:
    """Return whether two archives have the same files, by the engine's hash."""
    return bool(one and other and one.get("hash") == other.get("hash"))
