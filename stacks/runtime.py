"""Start-up of the program: settings of the Python process and of Pulumi's SDK that make previews faster."""

from __future__ import annotations

import gc
import os

import pulumi


def tune() -> None:
    """Switch off what a program that runs for seconds does not need."""
    # Resources live until the program ends; the cycles of the collector took a tenth of each preview.
    gc.disable()
    if "PULUMI_OPTION_DEBUG" not in os.environ:
        # The SDK logs five debug messages for each resource, each a call of the engine: a twelfth of each preview.
        pulumi.log.debug = lambda *_, **__: None
