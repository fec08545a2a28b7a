"""What this topology needs of AWS and moto lacks or answers wrongly, added at the API: one file a service.

State lives on moto's own backend objects, so that a reset empties it too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.aws.call import Answer, Call

#: Asks moto itself.
Moto = Callable[[], Answer]
#: Answers an operation: with an Answer, or with the operation's output for Call.result to serialize.
Handler = Callable[[Call, Moto], Answer | dict[str, Any]]

HANDLERS: dict[tuple[str, str], Handler] = {}


def answers(service: str, *operations: str) -> Callable[[Handler], Handler]:
    """Register a handler for operations of a service, named as botocore names both."""

    def register(handler: Handler) -> Handler:
        for operation in operations:
            HANDLERS[service, operation] = handler
        return handler

    return register
