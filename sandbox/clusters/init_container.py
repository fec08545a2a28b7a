"""Run of a pod's init container on this machine, with its environment and its code from ConfigMaps.

Mount paths are folders below a root folder. Only the container that fetches models is supported: a Python command,
ConfigMap and emptyDir volumes, and literal environment variables.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dr.errors import Failed, Problem

LONGEST_SECONDS = 120
PASSED_ON = ("PATH", "LANG", "SYSTEMROOT")
Thing = dict[str, Any]
FOLDER_VARIABLE = "MODELS_FOLDER"
"""Environment variable with the model folder; it identifies the init container that fetches models."""


def fetching(pod: Thing) -> Thing | None:
    """Return the init container that fetches models; None if the pod has none."""
    return next((each for each in pod["spec"].get("initContainers", ()) if FOLDER_VARIABLE in _variables(each)), None)


def run(pod: Thing, config_map: Callable[[str, str], Thing], root: Path, environment: Mapping[str, str]) -> Path:
    """Run the init container that fetches models.

    Args:
        pod: The pod.
        config_map: Reads a ConfigMap by namespace and name.
        root: An empty folder, the root of mount paths.
        environment: Additional environment variables: credentials and endpoint of the sandbox.

    Returns:
        The folder with the fetched models.

    Raises:
        Failed: The pod has no such container, or the container failed; the message has the end of its output.
    """
    container, about = fetching(pod), pod["metadata"]
    subject = f"pod {about['namespace']}/{about['name']}"
    if container is None:
        remedy = f"give the model an init container with {FOLDER_VARIABLE} in its environment"
        raise Failed(Problem(subject, "it has no init container that fetches models", remedy))
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        folder = _below(root, mount["mountPath"])
        folder.mkdir(parents=True, exist_ok=True)
        if source := volumes[mount["name"]].get("configMap"):
            _write(folder, source, config_map(about["namespace"], source["name"]))
    paths = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
    given = {name: _here(root, value, paths) for name, value in _variables(container).items()}
    command = [_here(root, word, paths) for word in (*container.get("command", ()), *container.get("args", ()))]
    if command and Path(command[0]).name.startswith("python"):
        command[0] = sys.executable
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env={**kept, **given, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        fact = f"init container {container['name']} did not run: {error}"
        raise Failed(Problem(subject, fact, "check its command: the sandbox runs it with its own Python")) from error
    sys.stderr.write("".join(f"{about['name']}: {line}\n" for line in done.stdout.splitlines()))
    if done.returncode:
        tail = " ".join(done.stdout.splitlines()[-3:]) or "without output"
        fact = f"init container {container['name']} ended with {done.returncode}: {tail}"
        raise Failed(Problem(subject, fact, "fix the reported problem; kwok reports the pod as ready all the same"))
    return Path(given[FOLDER_VARIABLE])


def _variables(container: Thing) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}


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
