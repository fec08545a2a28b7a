"""The locks that engines hold on the stacks of a file backend."""

from __future__ import annotations

from pathlib import Path

import psutil

from sandbox.local import Local, read_json


def running_engines(local: Local) -> list[int]:
    """Process ids of the engines that run and hold a lock."""
    return [pid for lock in _locks(local) if (pid := _owner(lock))]


def drop_dead_locks(local: Local) -> list[int]:
    """Remove the locks of engines that were killed.

    Returns:
        Process ids of the engines that still run and hold a lock.
    """
    for lock in _locks(local):
        if not _owner(lock):
            lock.unlink(missing_ok=True)
    return running_engines(local)


def _locks(local: Local) -> list[Path]:
    return list((local.backend / ".pulumi" / "locks").rglob("*.json"))


def _owner(lock: Path) -> int:
    """The process that holds a lock; 0 if it has ended."""
    pid = int(read_json(lock).get("pid") or 0)
    return pid if pid and psutil.pid_exists(pid) else 0
