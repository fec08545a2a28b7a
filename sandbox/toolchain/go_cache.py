"""Go's caches during a build: the person's own, or temporary ones in the toolchain's cache folder.

Building everything fills 4.4 GB of build cache and 3.3 GB of modules (measured). Whoever develops in Go has such caches
and keeps them. Where there is none, both are in the cache folder of the toolchain while something is built, also after
a build that was killed, which goes on from there, and are removed once everything was built.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.toolchain.cache import cache


def variables() -> dict[str, str]:
    """What Go's environment needs besides the person's own; nothing where they have a build cache."""
    own = _persons_own()
    if own.is_dir() and any(own.iterdir()):
        return {}
    # Modules are read-only by default, and then cannot be removed.
    flags = f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip()
    return {"GOCACHE": str(_ours() / "build"), "GOMODCACHE": str(_ours() / "modules"), "GOFLAGS": flags}


@contextmanager
def removed_afterwards() -> Iterator[None]:
    """Remove our caches at the end of the block, unless it raised or another process still builds.

    Raises:
        OSError: The cache folder cannot be written.
    """
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "go.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # the last one removes them
        shutil.rmtree(_ours(), ignore_errors=True)


def _ours() -> Path:
    return cache() / "go"


def _persons_own() -> Path:
    """As Go finds it (go help cache): GOCACHE, else a folder in the user's cache folder."""
    if chosen := os.environ.get("GOCACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "go-build"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "go-build"
