"""Who is told of alarms: e-mail addresses and HTTPS URLs. Pure."""

from __future__ import annotations

import re

EMAIL = re.compile(r"[\w.+%-]+@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.IGNORECASE)
URL = re.compile(r"https://([^\s@/]+@)?[\w.-]+(:\d+)?([/?]\S*)?")
"""Its scheme in small letters, as SNS's protocols are; a name and password before the host are SNS's way to sign in."""


def protocol_of(address: str) -> str:
    """How SNS reaches an address: "email" or "https"."""
    return "https" if address.startswith("https://") else "email"


def address_problem(address: str) -> tuple[str, str] | None:
    """What is wrong with an address, and the way out; None if nothing is."""
    if "://" in address:
        if URL.fullmatch(address):
            return None
        return f'"{address}" is no HTTPS URL', "alarms leave AWS encrypted, or not at all: use https://<host>/<path>"
    if EMAIL.fullmatch(address):
        return None
    return f'"{address}" is no e-mail address', "use one such as oncall@example.com, or an https:// URL"
