"""Operations that moto lacks or answers wrongly, as far as this topology needs them: one file per service.

State is kept on moto's own backend objects, so that a reset drops it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from sandbox.aws.answer import Answer
from sandbox.aws.call import Call

Moto = Callable[[], Answer]
"""Returns moto's own answer."""
Handler = Callable[[Call, Moto], Answer | dict[str, Any]]
"""Answers an operation: with an Answer, or with the operation's output for Call.result to serialize."""

HANDLERS: dict[tuple[str, str], Handler] = {}


def answers(service: str, *operations: str) -> Callable[[Handler], Handler]:
    """Register a handler for operations of a service, named as botocore names both."""

    def register(handler: Handler) -> Handler:
        for operation in operations:
            HANDLERS[service, operation] = handler
        return handler

    return register


def load() -> None:
    """Import every module of this package; each registers its handlers and patches moto where it has to."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
