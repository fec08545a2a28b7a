"""Export and import of a stack's state with the `pulumi` command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.errors import Failed, Invalid, Problem


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
        return dict(json.loads(self._run("export")))

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state. If this fails, the state is unchanged.

        Raises:
            Invalid: `pulumi` is not installed.
            Failed: The stack is locked, or `pulumi` rejects the state.
        """
        self._run("import", json.dumps(state))

    def _run(self, verb: str, text: str | None = None) -> str:
        command = ["pulumi", "stack", verb, "--stack", self.name, "--non-interactive"]
        subject = f"pulumi stack {verb} -s {self.name}"
        try:
            done = subprocess.run(command, cwd=self.project, input=text, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            remedy = "install Pulumi; for the sandbox, run `make shell` and repeat the command there"
            raise Invalid(Problem("pulumi", "is not on PATH", remedy)) from error
        if done.returncode:
            message = done.stderr.strip()
            unlock = (
                f"if no other update of the stack runs, run `pulumi cancel -s {self.name}`, then this command again"
            )
            remedy = unlock if "locked" in message else "fix the reported problem, then run the command again"
            raise Failed(Problem(subject, message, remedy))
        return done.stdout
