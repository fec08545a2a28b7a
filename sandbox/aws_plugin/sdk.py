"""The Pulumi SDK's properties of a type. For error messages only: importing the SDK takes seconds."""

from __future__ import annotations

import importlib
import keyword
import re
import sys
from types import ModuleType
from typing import Any


def known_properties(token: str, path: tuple[str, ...] = ()) -> frozenset[str]:
    """Pulumi's names of the inputs of a type, or of an object inside it; none if the SDK lacks the type."""
    module, name = _place(token)
    # The arguments' class has another name where an object inside the type took the plain one.
    arguments = getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args", None)
    getters = _getters(arguments)
    for step in path:
        annotation = str(getters[step].__annotations__["return"]) if step in getters else ""
        inner = re.findall(r"(\w+Args)\b", annotation)
        getters = _getters(getattr(module, inner[0])) if inner else {}
    return frozenset(getters)


def known_outputs(token: str) -> frozenset[str]:
    """Pulumi's names of all properties that a resource of a type has."""
    module, name = _place(token)
    return frozenset(_getters(getattr(module, name, None)))


def _place(token: str) -> tuple[ModuleType | None, str]:
    """The module that defines a type's class. Through its service: imported by itself it spoils the lazy service."""
    _, service, _, name = re.split("[:/]", token)
    # The SDK appends an underscore to a service whose name is a keyword of Python.
    service = f"{service}_" if keyword.iskeyword(service) else service
    known = getattr(getattr(importlib.import_module("pulumi_aws"), service, None), name, None)
    return (sys.modules[known.__module__] if known else None), name


def _getters(of: Any) -> dict[str, Any]:
    found = {}
    for name in dir(of):
        getter = getattr(getattr(of, name, None), "fget", None)
        if getter is not None:
            found[getattr(getter, "_pulumi_name", name)] = getter
    return found
