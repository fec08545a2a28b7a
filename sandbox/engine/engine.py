"""The real Pulumi engine, pointed at the sandbox: its environment, its plugins, and one operation at a time."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from dr.errors import Failed, Problem
from dr.operations import pending_operations
from dr.operations.pending_operations import Pending
from dr.operations.steps import Report
from sandbox.engine import fork_server
from sandbox.local import ROOT, Local, read_json
from sandbox.server_process import Server
from sandbox.toolchain import Toolchain, aws_plugin, kubernetes_plugin
from sandbox.toolchain.cache import through_emulator

PROJECT = "dr"
ORGANIZATION = "organization"
"""What a file backend calls the organization of every stack."""

ENDED = "an unhandled error occurred: the program ended with exit code"
"""What the engine adds to the error that the program has shown."""

WITHOUT_CHECKPOINTS = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""The state is written once, at the end. Much faster, and a killed engine loses it: only where nothing can be lost."""


def environment(local: Local, server: Server, toolchain: Toolchain) -> dict[str, str]:
    """Variables that point AWS SDKs, the engine and this project's commands at a sandbox, and at nothing else.

    Whoever uses them also removes the `foreign` ones: a person's profile, a token, an endpoint of one service.
    """
    nobody = local.folder / "no-aws-configuration"
    path = [local.commands, Path(sys.executable).parent, toolchain.pulumi.parent]
    # Where both are set, Python reads the lower-case one and Go the other.
    direct = ["127.0.0.1", "localhost", *filter(None, (os.environ.get("NO_PROXY"), os.environ.get("no_proxy")))]
    direct = list(dict.fromkeys(",".join(direct).split(",")))
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(nobody),
        "AWS_SHARED_CREDENTIALS_FILE": str(nobody),
        "AWS_EC2_METADATA_DISABLED": "true",
        "KUBECONFIG": str(local.kubeconfig),
        "NO_PROXY": ",".join(direct),
        "no_proxy": ",".join(direct),
        "PULUMI_HOME": str(local.pulumi_home),
        # Without metadata: beside each file it would write another one, not in one step, and an engine killed in
        # between leaves a stack that cannot be read.
        "PULUMI_BACKEND_URL": f"{local.backend.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": "sandbox",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "DR_PROJECT": str(local.project),
        "DR_SANDBOX_STATE": str(local.folder),
        **aws_plugin.variables(),
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", str(ROOT / ".local" / "cache" / "pycache")),
        # Not written, the SDK would be compiled anew by every run of the program: seconds each time.
        "PYTHONDONTWRITEBYTECODE": "",
        "PATH": os.pathsep.join(dict.fromkeys([*map(str, path), *os.environ.get("PATH", "").split(os.pathsep)])),
    }


def foreign(variables: Mapping[str, str]) -> list[str]:
    """Names of variables of this process that would lead an SDK or the engine elsewhere."""
    return [name for name in os.environ if name.startswith(("AWS_", "PULUMI_")) and name not in variables]


def enter(variables: Mapping[str, str]) -> None:
    """Make the sandbox's variables those of this process."""
    for name in foreign(variables):
        del os.environ[name]
    os.environ.update(variables)


def install_plugins(local: Local, toolchain: Toolchain) -> None:
    """Put launchers of the plugins, and of `dr`, where the engine and a shell look. Cheap, and done at every start.

    The virtual environment that `make` makes has a `dr` too; another, in which the sandbox works as well, has none.
    """
    python = fork_server.command(local.forks)
    launchers = {local.commands / "dr": [sys.executable, "-m", "dr"]}
    plugins = local.pulumi_home / "plugins"
    version = importlib.metadata.version("pulumi-aws")
    stand_in = [*python, "-m", "sandbox.aws_plugin.provider"]
    launchers[plugins / f"resource-aws-v{version}" / "pulumi-resource-aws"] = aws_plugin.command(stand_in)
    if plugin := kubernetes_plugin.find_plugin():
        path = plugins / f"resource-kubernetes-v{kubernetes_plugin.VERSION}" / kubernetes_plugin.NAME
        launchers[path] = ["env", *_helm(local), *through_emulator(plugin.path)]
    if toolchain.runner:
        host = plugins / f"language-python-v{toolchain.version}" / "pulumi-language-python"
        script = str(ROOT / "sandbox" / "engine" / "language_host.py")
        launchers[host] = [
            *(*python, "-P", script, "--runner", str(toolchain.runner)),
            *("--python", shlex.join(python)),
        ]
    for path, command in launchers.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        # The program finds its modules by its own folder; commands of the project by this.
        found = f"PYTHONPATH={shlex.quote(str(ROOT))} " if "-m" in command else ""
        text = f'#!/bin/sh\n{found}exec {shlex.join(command)} "$@"\n'
        if not path.exists() or path.read_text() != text:
            draft = path.with_suffix(f".{os.getpid()}")
            draft.write_text(text)
            draft.chmod(0o755)
            draft.replace(path)


def _helm(local: Local) -> list[str]:
    """Variables of Helm, which is in the Kubernetes plugin: where it keeps things, and whom it trusts."""
    kept = [f"HELM_{name}_HOME={local.folder / 'helm' / name.lower()}" for name in ("CACHE", "CONFIG", "DATA")]
    return [*kept, f"SSL_CERT_FILE={local.authority}"]


def drop_dead_locks(local: Local) -> list[int]:
    """Remove locks of engines that were killed, which guard nothing. Returns the processes of engines that work."""
    working = []
    for lock in (local.backend / ".pulumi" / "locks").rglob("*.json"):
        pid = read_json(lock).get("pid")
        if pid and psutil.pid_exists(pid):
            working.append(pid)
        else:
            lock.unlink(missing_ok=True)
    return working


@dataclass
class Watch:
    """Follows the engine's events: counts resources, keeps what was said.

    Args:
        report: Told how many resources are done.
        expected: How many there will be, where that is known.
    """

    report: Report
    expected: int | None = None
    done: int = 0
    changes: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changed: list[tuple[str, str, list[str]]] = field(default_factory=list)
    """Operation, URN and the properties that differ."""
    violations: list[str] = field(default_factory=list)

    def __call__(self, event: Any) -> None:
        """Take one engine event (`pulumi.automation.EngineEvent`)."""
        if event.resource_pre_event and event.resource_pre_event.metadata.op != "same":
            metadata = event.resource_pre_event.metadata
            self.changed.append((str(metadata.op.value), metadata.urn, list(metadata.detailed_diff or {})))
        if event.res_outputs_event:
            self.done += 1
            share = min(self.done / self.expected, 1.0) if self.expected else None
            of = f" of {self.expected}" if self.expected and self.expected >= self.done else ""
            self.report(f"{self.done}{of} resources", share)
        diagnostic = event.diagnostic_event
        # What is ephemeral is the status of a resource while it is worked on, and may be superseded.
        if diagnostic and not diagnostic.ephemeral and diagnostic.severity in ("error", "warning"):
            said = self.errors if diagnostic.severity == "error" else self.warnings
            said.append(diagnostic.message.strip())
        if event.policy_event:
            broken = event.policy_event
            resource = str(broken.resource_urn or "").rpartition("::")[2]
            self.violations.append(
                f"{broken.enforcement_level} {broken.policy_name}, {resource}: {broken.message.strip()}"
            )
        if event.summary_event:
            self.changes = {str(getattr(op, "value", op)): n for op, n in event.summary_event.resource_changes.items()}


@dataclass(frozen=True)
class Changes:
    """What an operation of the engine did.

    Args:
        counts: Operation ("create", "update", "same", ...) to number of resources.
        changed: Operation, URN and differing properties of each resource that is not the same.
        warnings: What the engine and plugins warned of.
        violations: Of which policies: level, policy and resource, and what the policy says.
    """

    counts: Mapping[str, int]
    changed: tuple[tuple[str, str, list[str]], ...]
    warnings: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = {
            "create": "created",
            "update": "updated",
            "delete": "deleted",
            "replace": "replaced",
            "same": "unchanged",
        }
        return ", ".join(f"{number} {words.get(op, op)}" for op, number in self.counts.items()) or "nothing"

    @property
    def none(self) -> bool:
        """Whether nothing changed."""
        return not any(number for op, number in self.counts.items() if op != "same")


def _silent(text: str, share: float | None) -> None:
    """Reports to nobody."""


class Engine:
    """The engine, working on one sandbox.

    Args:
        local: The sandbox's folder.
        toolchain: Which engine.
        variables: The environment it runs in.
    """

    def __init__(self, local: Local, toolchain: Toolchain, variables: Mapping[str, str]) -> None:
        self.local, self.toolchain, self.variables = local, toolchain, dict(variables)
        self._stacks: dict[str, Any] = {}
        install_plugins(local, toolchain)
        local.backend.mkdir(parents=True, exist_ok=True)
        # Of every operation the engine writes an encrypted log of megabytes there, which takes a third of its time and
        # which nobody reads of a sandbox. Where it cannot, it goes on without.
        (local.pulumi_home / "logs").touch()

    def up(
        self, stack: str, report: Report = _silent, extra: Mapping[str, str] | None = None, **options: Any
    ) -> Changes:
        """Deploy a stack, going on from where a killed deployment ended. Raises Failed with what the engine said."""
        if self.pending(stack):
            report("adopting what a killed deployment made", None)
            self._adopt(stack)
        return self._run(stack, "up", report, extra, **options)

    def preview(self, stack: str, report: Report = _silent, **options: Any) -> Changes:
        """What `up` would do."""
        return self._run(stack, "preview", report, **options)

    def refresh(self, stack: str, report: Report = _silent, **options: Any) -> Changes:
        """Read what is deployed into the state."""
        return self._run(stack, "refresh", report, **options)

    def destroy(self, stack: str, report: Report = _silent, **options: Any) -> Changes:
        """Delete what the stack made."""
        return self._run(stack, "destroy", report, **options)

    def outputs(self, stack: str) -> dict[str, Any]:
        """A stack's outputs; empty before it was deployed."""
        deployment = self._deployment(stack)
        roots = [each for each in deployment.get("resources", []) if each["type"] == "pulumi:pulumi:Stack"]
        return dict(roots[0].get("outputs", {})) if roots else {}

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """A stack's resources, as its state has them."""
        return list(self._deployment(stack).get("resources", []))

    def pending(self, stack: str) -> list[Pending]:
        """What a deployment that was killed had begun and not ended."""
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
        # A process of its own: the boto3 of this one may be pointed elsewhere.
        command = [sys.executable, "-m", "dr", "adopt", "--stack", stack, "--project", str(self.local.project), "--yes"]
        variables = {**os.environ, **self.variables}
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            remedy = f"mend what it says, then `dr adopt -s {stack} --yes` in `make shell`"
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
        watch = Watch(report, expected)
        drop_dead_locks(self.local)
        try:
            selected = self._selected(stack)
            selected.workspace.env_vars = {**self.variables, **(extra or {})}
            run: Callable[..., Any] = getattr(selected, operation)
            run(on_event=watch, **options)
        except automation.CommandError as error:
            raise self._failure(stack, operation, watch, str(error)) from error
        return Changes(watch.changes, tuple(watch.changed), tuple(watch.warnings), tuple(watch.violations))

    def _selected(self, stack: str) -> Any:
        """The stack, made where there is none; asked for once, since each question starts the engine."""
        from pulumi import automation

        if stack not in self._stacks:
            # Given a root, the SDK looks in its `bin`; an engine that is elsewhere was found on PATH.
            folder = self.toolchain.pulumi.parent
            command = automation.PulumiCommand(root=str(folder.parent) if folder.name == "bin" else None)
            options = automation.LocalWorkspaceOptions(env_vars=self.variables, pulumi_command=command)
            folder = self.local.project
            selected = automation.create_or_select_stack(stack, work_dir=str(folder), opts=options)
            # What the result of an update would tell besides its events costs three more starts, and nobody reads it.
            selected.outputs, selected.info = dict, lambda *_: ""  # type: ignore[method-assign, assignment]
            self._stacks[stack] = selected
        return self._stacks[stack]

    def _failure(self, stack: str, operation: str, watch: Watch, output: str) -> Failed:
        errors = [error for error in dict.fromkeys(watch.errors) if not error.startswith(ENDED)]
        errors += [violation for violation in watch.violations if violation.startswith("mandatory")]
        said = "\n".join(errors) or _stderr(output)
        if "incorrect passphrase" in output or "incorrect passphrase" in said:
            fact = "PULUMI_CONFIG_PASSPHRASE is not the one the stack's encryptionsalt was made with"
            remedy = f'the sandbox\'s is "sandbox"; `git checkout Pulumi.{stack}.yaml` brings its salt back'
        elif "currently locked" in output:
            fact = f"another engine works on it: {said}"
            remedy = f"wait for it; if none runs, `pulumi cancel -s {stack}` in `make shell`"
        else:
            fact, remedy = said, "mend what it says and run the same command again; what is deployed stays deployed"
        return Failed(Problem(f"pulumi {operation} -s {stack}", fact, remedy))


def _stderr(output: str) -> str:
    """The part of a CommandError's text that the engine wrote to its error stream."""
    return output.partition("stderr:")[2].strip() or output.strip()
