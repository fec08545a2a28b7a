"""Runs a pod's init container on this machine: its own code, from its ConfigMaps, with its own environment.

What a container sees under a mount path is in a folder below one root here. Only what fills a model folder is run so:
Python with ConfigMaps and folders, and plain values in its environment.
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
"""What tells the container that fills the model folder, and where that is."""


def fetching(pod: Thing) -> Thing | None:
    """The init container that fills the model folder; None where a pod has none."""
    return next((each for each in pod["spec"].get("initContainers", ()) if FOLDER_VARIABLE in _given(each)), None)


def run(pod: Thing, config_map: Callable[[str, str], Thing], root: Path, environment: Mapping[str, str]) -> Path:
    """Run it.

    Args:
        pod: The pod.
        config_map: Reads a ConfigMap by namespace and name.
        root: An empty folder.
        environment: What it needs here beside its own: the way to the sandbox.

    Returns:
        The model folder, filled.

    Raises:
        Failed: it has no such container, or that failed; the message has the end of what it said.
    """
    container, about = fetching(pod), pod["metadata"]
    subject = f"pod {about['namespace']}/{about['name']}"
    if container is None:
        remedy = f"give the model an init container with {FOLDER_VARIABLE} in its environment"
        raise Failed(Problem(subject, "no init container of it fills a model folder", remedy))
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        folder = _below(root, mount["mountPath"])
        folder.mkdir(parents=True, exist_ok=True)
        if source := volumes[mount["name"]].get("configMap"):
            _write(folder, source, config_map(about["namespace"], source["name"]))
    paths = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
    given = {name: _here(root, value, paths) for name, value in _given(container).items()}
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
        raise Failed(Problem(subject, fact, "the sandbox runs Python of its own; see its command")) from error
    sys.stderr.write("".join(f"{about['name']}: {line}\n" for line in done.stdout.splitlines()))
    if done.returncode:
        tail = " ".join(done.stdout.splitlines()[-3:]) or "it said nothing"
        fact = f"init container {container['name']} ended with {done.returncode}: {tail}"
        raise Failed(Problem(subject, fact, "mend what it names; the pod is ready all the same, as kwok has it"))
    return Path(given[FOLDER_VARIABLE])


def _given(container: Thing) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _here(root: Path, text: str, paths: list[str]) -> str:
    """A value whose mount paths are those on this machine."""
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
