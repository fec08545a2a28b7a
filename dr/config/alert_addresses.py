"""Alarm subscribers: e-mail addresses and HTTPS URLs. Pure."""

from __future__ import annotations

import re

NO_ONE = "none"
"""Entry that declares that no one is notified."""
EMAIL = re.compile(r"[\w.+%-]+@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.IGNORECASE)
URL = re.compile(r"https://([^\s@/]+@)?[\w.-]+(:\d+)?([/?]\S*)?")
"""The scheme is in lower case, as SNS requires; SNS signs in with a user name and password before the host."""


def protocol_of(address: str) -> str:
    """Return the SNS protocol of an address: "email" or "https"."""
    return "https" if address.startswith("https://") else "email"


def address_problem(address: str) -> tuple[str, str] | None:
    """Return the problem of an address and its remedy, or None."""
    if address == NO_ONE:
        return None
    if "://" in address:
        if URL.fullmatch(address):
            return None
        return f'"{address}" is not a valid HTTPS URL', "alarms are sent encrypted only: use https://<host>/<path>"
    if EMAIL.fullmatch(address):
        return None
    return f'"{address}" is not a valid e-mail address', "use one such as oncall@example.com, or an https:// URL"
