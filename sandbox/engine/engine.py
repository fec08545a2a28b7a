"""Operations of the real Pulumi engine on the stacks of a sandbox, one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dr.errors import Failed, Problem
from dr.operations import pending_operations
from dr.operations.pending_operations import Pending
from dr.operations.steps import Report
from sandbox.engine.events import Changes, EventLog
from sandbox.engine.launchers import install_launchers
from sandbox.engine.locks import drop_dead_locks
from sandbox.local import ROOT, Local
from sandbox.toolchain import Toolchain

PROJECT = "dr"
ENDED = "an unhandled error occurred: the program ended with exit code"
"""The engine adds this to the error that the program has printed."""


def _silent(text: str, share: float | None) -> None:
    """A report that discards its input."""


class Engine:
    """The engine of one sandbox.

    Args:
        local: The sandbox's folder.
        toolchain: The engine to run.
        variables: Its environment.
    """

    def __init__(self, local: Local, toolchain: Toolchain, variables: Mapping[str, str]) -> None:
        self.local, self.toolchain, self.variables = local, toolchain, dict(variables)
        self._stacks: dict[str, Any] = {}
        install_launchers(local, toolchain)
        local.backend.mkdir(parents=True, exist_ok=True)
        # The engine writes an encrypted log of megabytes of each operation into this folder, which takes a third of its
        # time. A file in the folder's place prevents that: the engine continues without a log.
        (local.pulumi_home / "logs").touch()

    def up(
        self, stack: str, report: Report = _silent, extra: Mapping[str, str] | None = None, **options: Any
    ) -> Changes:
        """Deploy a stack; adopts the resources of a killed deployment first.

        Args:
            stack: Name of the stack.
            report: Receives the progress.
            extra: More variables of the engine's environment.
            options: Arguments of the Automation API's `up`.

        Raises:
            Failed: The engine's errors.
        """
        if self.pending(stack):
            report("adopting the resources of a killed deployment", None)
            self._adopt(stack)
        return self._run(stack, "up", report, extra, **options)

    def preview(self, stack: str, report: Report = _silent, **options: Any) -> Changes:
        """The changes that `up` would make. Raises Failed."""
        return self._run(stack, "preview", report, **options)

    def refresh(self, stack: str, report: Report = _silent, **options: Any) -> Changes:
        """Read the deployed resources into the state. Raises Failed."""
        return self._run(stack, "refresh", report, **options)

    def destroy(self, stack: str, report: Report = _silent, **options: Any) -> Changes:
        """Delete the stack's resources. Raises Failed."""
        return self._run(stack, "destroy", report, **options)

    def outputs(self, stack: str) -> dict[str, Any]:
        """A stack's outputs; empty before its first deployment."""
        deployment = self._deployment(stack)
        roots = [each for each in deployment.get("resources", []) if each["type"] == "pulumi:pulumi:Stack"]
        return dict(roots[0].get("outputs", {})) if roots else {}

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """The resources in a stack's state."""
        return list(self._deployment(stack).get("resources", []))

    def pending(self, stack: str) -> list[Pending]:
        """Operations that a killed deployment started and did not finish."""
        return pending_operations.pending(self._deployment(stack))

    def checkpoint(self, stack: str) -> Path:
        """The file that holds a stack's state."""
        return self.local.backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"

    def _deployment(self, stack: str) -> dict[str, Any]:
        try:
            checkpoint = json.loads(self.checkpoint(stack).read_text())["checkpoint"]
        except FileNotFoundError:
            return {}
        return dict(checkpoint.get("latest") or {})

    def _adopt(self, stack: str) -> None:
        drop_dead_locks(self.local)
        # In a process of its own: this process's boto3 may use another endpoint.
        command = [sys.executable, "-m", "dr", "adopt", "--stack", stack, "--project", str(self.local.project), "--yes"]
        variables = {**os.environ, **self.variables}
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            remedy = f"fix the reported problem, then run `dr adopt -s {stack} --yes` in `make shell`"
            raise Failed(Problem(f"dr adopt -s {stack}", done.stderr.strip(), remedy))

    def _run(
        self,
        stack: str,
        operation: str,
        report: Report,
        extra: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Changes:
        from pulumi import automation

        expected = len(self.resources(stack)) or None
        log = EventLog(report, expected)
        drop_dead_locks(self.local)
        try:
            selected = self._selected(stack)
            selected.workspace.env_vars = {**self.variables, **(extra or {})}
            run: Callable[..., Any] = getattr(selected, operation)
            run(on_event=log, **options)
        except automation.CommandError as error:
            raise self._failure(stack, operation, log, str(error)) from error
        return Changes(log.changes, tuple(log.changed), tuple(log.warnings), tuple(log.violations))

    def _selected(self, stack: str) -> Any:
        """The stack, created where it does not exist; cached, since each selection starts the engine."""
        from pulumi import automation

        if stack not in self._stacks:
            # The SDK looks in the root's `bin`; an engine in another folder is on PATH.
            folder = self.toolchain.pulumi.parent
            command = automation.PulumiCommand(root=str(folder.parent) if folder.name == "bin" else None)
            options = automation.LocalWorkspaceOptions(env_vars=self.variables, pulumi_command=command)
            selected = automation.create_or_select_stack(stack, work_dir=str(self.local.project), opts=options)
            # To read outputs and history after an update the SDK starts the engine three more times; neither is used.
            selected.outputs, selected.info = dict, lambda *_: ""  # type: ignore[method-assign, assignment]
            self._stacks[stack] = selected
        return self._stacks[stack]

    def _failure(self, stack: str, operation: str, log: EventLog, output: str) -> Failed:
        errors = [error for error in dict.fromkeys(log.errors) if not error.startswith(ENDED)]
        errors += [violation for violation in log.violations if violation.startswith("mandatory")]
        text = "\n".join(errors) or _stderr(output)
        if "incorrect passphrase" in output or "incorrect passphrase" in text:
            fact = "PULUMI_CONFIG_PASSPHRASE does not match the stack's encryptionsalt"
            remedy = f'the sandbox\'s passphrase is "sandbox"; `git checkout Pulumi.{stack}.yaml` restores the salt'
        elif "currently locked" in output:
            fact = f"another engine holds its lock: {text}"
            remedy = f"wait until it ends; if none runs, `pulumi cancel -s {stack}` in `make shell`"
        else:
            fact = text
            remedy = "fix the reported problem and run the same command again; resources already deployed are kept"
        return Failed(Problem(f"pulumi {operation} -s {stack}", fact, remedy))


def _stderr(output: str) -> str:
    """The standard error stream in the text of a CommandError."""
    return output.partition("stderr:")[2].strip() or output.strip()
