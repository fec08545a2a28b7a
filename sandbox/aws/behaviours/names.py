"""DNS names."""

from __future__ import annotations

from sandbox.aws.faults import REGION


def plain(name: str) -> str:
    """A DNS name in lower case, without its last dot."""
    return name.rstrip(".").lower()


def region_of(name: str) -> str | None:
    """The region that a DNS name contains; None without one."""
    match = REGION.search(plain(name))
    return match.group() if match else None
