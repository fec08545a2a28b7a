"""The `pulumi` command: export and import of a stack's state, and an update."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.errors import Failed, Invalid, Problem

LONGEST_MESSAGE = 2000
"""Characters of the end of an update's output in an error."""


@dataclass(frozen=True)
class PulumiStack:
    """A stack of a Pulumi project.

    Args:
        project: Folder of Pulumi.yaml.
        name: Name of the stack.
    """

    project: Path
    name: str

    def export_state(self) -> dict[str, Any]:
        """Return the state, as `pulumi stack export` prints it.

        Raises:
            Invalid: `pulumi` is not installed.
            Failed: `pulumi` failed; the problem contains its message.
        """
        return dict(json.loads(self._run("stack", "export")))

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state. If this fails, the state is unchanged.

        Raises:
            Invalid: `pulumi` is not installed.
            Failed: The stack is locked, or `pulumi` rejects the state.
        """
        self._run("stack", "import", text=json.dumps(state))

    def update(self, configuration: Path | None = None) -> None:
        """Run `pulumi up`.

        Args:
            configuration: File with the stack's configuration; None for its own.

        Raises:
            Invalid: `pulumi` is not installed.
            Failed: The stack is locked, or the update failed.
        """
        own = ("--config-file", str(configuration)) if configuration else ()
        self._run("up", "--yes", "--skip-preview", *own)

    def _run(self, *words: str, text: str | None = None) -> str:
        command = ["pulumi", *words, "--stack", self.name, "--non-interactive"]
        subject = f"pulumi {' '.join(word for word in words[:2] if word[0] != '-')} -s {self.name}"
        try:
            done = subprocess.run(command, cwd=self.project, input=text, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            remedy = "install Pulumi; for the sandbox, run `make shell` and repeat the command there"
            raise Invalid(Problem("pulumi", "is not on PATH", remedy)) from error
        if done.returncode:
            # An update reports its errors on its standard output.
            message = done.stderr.strip() or done.stdout.strip()[-LONGEST_MESSAGE:]
            unlock = (
                f"if no other update of the stack runs, run `pulumi cancel -s {self.name}`, then this command again"
            )
            remedy = unlock if "locked" in message else "fix the reported problem, then run the command again"
            raise Failed(Problem(subject, message, remedy))
        return done.stdout
