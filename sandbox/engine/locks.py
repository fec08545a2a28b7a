"""The locks that engines hold on the stacks of a file backend."""

from __future__ import annotations

import psutil

from sandbox.local import Local, read_json


def drop_dead_locks(local: Local) -> list[int]:
    """Remove the locks of engines that were killed.

    Returns:
        Process ids of the engines that still run and hold a lock.
    """
    running = []
    for lock in (local.backend / ".pulumi" / "locks").rglob("*.json"):
        pid = read_json(lock).get("pid")
        if pid and psutil.pid_exists(pid):
            running.append(pid)
        else:
            lock.unlink(missing_ok=True)
    return running
