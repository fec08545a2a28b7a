"""Options that several commands of `dr` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def region_names(incomplete: str) -> list[str]:
    """Return the regions of the project in this folder that begin with a text, for the completion of the shell."""
    from dr.config.project import load_settings
    from dr.errors import DrError

    try:
        settings = load_settings(Path(), "dr")
    except DrError:
        return []
    return [each for each in (settings.primary_region, settings.recovery_region) if each.startswith(incomplete)]


Project = Annotated[
    Path, typer.Option(envvar="DR_PROJECT", help="The folder of Pulumi.yaml, or a folder below it.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Execute the plan without asking. No guard is skipped.")]
Stack = Annotated[
    str, typer.Option("--stack", "-s", envvar="DR_STACK", help="The recovery stack, in which the tier is set.")
]
