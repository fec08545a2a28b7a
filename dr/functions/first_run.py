"""The first run of a function, which its deployment starts: it shows that the function starts, and does nothing else.

The run publishes the first value of the metric `Errors`, so that the alarm on it finds one. It calls no service: a new
role's permissions may take seconds to apply (IAM user guide, "Changes that I make are not always immediately visible").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "firstRun"


def is_first_run(event: Mapping[str, Any]) -> bool:
    """Return whether a function's event is that of its first run."""
    return event.get(NAME) is True
