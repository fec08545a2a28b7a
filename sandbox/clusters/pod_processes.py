"""Containers of a pod that run on this machine: Python commands, with their environment and code from ConfigMaps.

Mount paths are folders below a root folder of the pod. Supported are ConfigMap and emptyDir volumes, and literal
environment variables. Other containers do not run here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.errors import Failed, Problem

LONGEST_SECONDS = 120
"""Maximum duration in seconds of a container that fetches models for a region's model server."""
PASSED_ON = ("PATH", "LANG", "SYSTEMROOT")
Thing = dict[str, Any]
ConfigMaps = Callable[[str, str], Thing]
"""Reads a ConfigMap by namespace and name."""
FOLDER_VARIABLE = "MODELS_FOLDER"
"""Environment variable with the model folder; it identifies the init container that fetches models."""
MESSAGE_PATH, MESSAGE_VARIABLE = "/dev/termination-log", "TERMINATION_LOG"
"""Default path of a termination message, and the variable with its path on this machine, which has no such file."""
MESSAGE_BYTES, LOG_BYTES, LOG_LINES = 4096, 2048, 80
"""Longest termination message, and the part of the log that replaces it (Kubernetes documentation, "Determine the
Reason for Pod Failure"; the kubelet truncates messages)."""


@dataclass(frozen=True)
class Outcome:
    """End of a container.

    Args:
        exit_code: Exit code; 128 + N after signal N, as container runtimes report it.
        output: What it printed.
        message: Termination message; "" for none.
    """

    exit_code: int
    output: str
    message: str


class Process:
    """A container as a process of this machine.

    Args:
        pod: The pod.
        container: The container, with a Python command.
        config_map: Reads a ConfigMap.
        root: Folder of the pod, the root of mount paths.
        environment: Additional environment variables: identity and network of the pod.

    Raises:
        Failed: Its program cannot be started.
    """

    def __init__(
        self, pod: Thing, container: Thing, config_map: ConfigMaps, root: Path, environment: Mapping[str, str]
    ) -> None:
        self._pod, self._container = pod, container
        _mount(pod, container, config_map, root)
        self._message = _below(root, container.get("terminationMessagePath", MESSAGE_PATH))
        self._message.parent.mkdir(parents=True, exist_ok=True)
        self._message.write_bytes(b"")
        paths = _mount_paths(container)
        given = {name: _here(root, value, paths) for name, value in variables(container).items()}
        command = [_here(root, word, paths) for word in _command(container)]
        if is_python(container):
            command[0] = sys.executable
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in `wait`
        try:
            self._process = subprocess.Popen(
                command,
                cwd=root,
                env={**kept, **given, MESSAGE_VARIABLE: str(self._message), **environment},
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
        except (OSError, IndexError) as error:
            self._log.close()
            fact = f"container {container['name']} did not run: {error}"
            remedy = "check its command: the sandbox runs it with its own Python"
            raise Failed(Problem(subject_of(pod), fact, remedy)) from error

    @property
    def pid(self) -> int:
        """ID of the process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def wait(self, seconds: float | None = None) -> Outcome:
        """Wait until the process has ended, and return its outcome; kill it after a time limit."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self._log.seek(0)
        output = self._log.read()
        self._log.close()
        name = self._pod["metadata"]["name"]
        sys.stderr.write("".join(f"{name}: {line}\n" for line in output.splitlines()))
        code = code if code >= 0 else 128 - code
        message = self._message.read_bytes()[:MESSAGE_BYTES].decode(errors="replace")
        if not message and code and self._container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            message = log_end(output)
        return Outcome(code, output, message)

    def kill(self) -> None:
        """Kill the process, if it has not ended."""
        self._process.kill()


def log_end(output: str) -> str:
    """Return the end of a log as a termination message."""
    lines = "".join(output.splitlines(keepends=True)[-LOG_LINES:])
    return lines.encode()[-LOG_BYTES:].decode(errors="replace")


def fetching(pod: Thing) -> Thing | None:
    """Return the init container that fetches models; None if the pod has none."""
    return next((each for each in pod["spec"].get("initContainers", ()) if FOLDER_VARIABLE in variables(each)), None)


def fetch(pod: Thing, config_map: ConfigMaps, root: Path, environment: Mapping[str, str]) -> Path:
    """Run the init container that fetches models, and return the folder with them.

    Args:
        pod: The pod.
        config_map: Reads a ConfigMap.
        root: An empty folder, the root of mount paths.
        environment: Additional environment variables: identity and network of the pod.

    Raises:
        Failed: The pod has no such container, or the container failed; the message has the end of its output.
    """
    container = fetching(pod)
    if container is None:
        remedy = f"give the model an init container with {FOLDER_VARIABLE} in its environment"
        raise Failed(Problem(subject_of(pod), "it has no init container that fetches models", remedy))
    done = Process(pod, container, config_map, root, environment).wait(LONGEST_SECONDS)
    if done.exit_code:
        tail = " ".join(done.output.splitlines()[-3:]) or "without output"
        fact = f"init container {container['name']} ended with {done.exit_code}: {tail}"
        remedy = "fix the reported problem; kwok reports the pod as ready all the same"
        raise Failed(Problem(subject_of(pod), fact, remedy))
    return models_folder(container, root)


def models_folder(container: Thing, root: Path) -> Path:
    """Return the folder that a container which fetches models fills."""
    return Path(_here(root, variables(container)[FOLDER_VARIABLE], _mount_paths(container)))


def variables(container: Thing) -> dict[str, str]:
    """Return the literal environment variables of a container."""
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}


def is_python(container: Thing) -> bool:
    """Return whether a container has a Python command, so that it can run here."""
    command = _command(container)
    return bool(command) and Path(command[0]).name.startswith("python")


def subject_of(pod: Thing) -> str:
    """Return the pod as the subject of a problem."""
    return f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _command(container: Thing) -> list[str]:
    return [*container.get("command", ()), *container.get("args", ())]


def _mount_paths(container: Thing) -> list[str]:
    return [mount["mountPath"] for mount in container.get("volumeMounts", ())]


def _mount(pod: Thing, container: Thing, config_map: ConfigMaps, root: Path) -> None:
    """Create the folders of a container's volumes, with the files of ConfigMaps."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        folder = _below(root, mount["mountPath"])
        folder.mkdir(parents=True, exist_ok=True)
        if source := volumes[mount["name"]].get("configMap"):
            _write(folder, source, config_map(pod["metadata"]["namespace"], source["name"]))


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _here(root: Path, text: str, paths: list[str]) -> str:
    """Return a value with mount paths replaced by their folders on this machine."""
    parts = text.split(":")
    for at, part in enumerate(parts):
        if any(part == path or part.startswith(f"{path}/") for path in paths):
            parts[at] = str(_below(root, part))
    return ":".join(parts)


def _write(folder: Path, source: Thing, config_map: Thing) -> None:
    data = config_map.get("data", {})
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        path = folder / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data[item["key"]])
