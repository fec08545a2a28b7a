"""Restricts this process to loopback: refuses other connections and name look-ups."""

from __future__ import annotations

import functools
import ipaddress
import sys
from typing import Any


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without port, is this machine."""
    if host in ("", "localhost") or host.endswith((".localhost", ".127.0.0.1")):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@functools.cache
def stay_on_loopback() -> None:
    """Refuse, until this process ends, every connection and look-up that would leave the machine."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments[:2]
    else:
        return
    # A Unix socket's address is a path; getaddrinfo's None is this machine's own wildcard.
    if isinstance(address, tuple) and address[0] is not None and not is_loopback(_text(address[0])):
        raise PermissionError(f"{_text(address[0])} refused: the sandbox connects to this machine only")


def _text(host: str | bytes) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host
