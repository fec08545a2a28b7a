"""Options that several commands of `dr` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Project = Annotated[
    Path, typer.Option(envvar="DR_PROJECT", help="The folder of Pulumi.yaml, or a folder below it.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Execute the plan without asking. No guard is skipped.")]
Stack = Annotated[
    str, typer.Option("--stack", "-s", envvar="DR_STACK", help="The recovery stack, in which the tier is set.")
]
