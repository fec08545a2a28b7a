"""Launchers of the engine's plugins and language host, and of `dr`."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.engine import fork_server
from sandbox.local import ROOT, Local
from sandbox.toolchain import Toolchain, aws_plugin, kubernetes_plugin
from sandbox.toolchain.crane import CRANE


def install_launchers(local: Local, toolchain: Toolchain) -> None:
    """Write launchers of the plugins, of the language host and of `dr`. Cheap: runs at every start of an engine.

    `dr` is needed for virtual environments that `make` did not create, which have no such command.
    """
    python = fork_server.command(local.forks)
    # `dr` downloads charts, and calls crane, which copies images: both from hosts that the emulator serves.
    trusting = ["env", f"SSL_CERT_FILE={local.authority}"]
    launchers = {local.commands / "dr": [*trusting, *through_emulator(Path(sys.executable)), "-m", "dr"]}
    if crane := CRANE.find():
        launchers[local.commands / "crane"] = [*trusting, *through_emulator(crane)]
    plugins = local.pulumi_home / "plugins"
    path = plugins / f"resource-aws-v{aws_plugin.sdk_version()}" / aws_plugin.COMMAND
    real = aws_plugin.chosen()
    launchers[path] = through_emulator(real.path) if real else [*python, "-m", "sandbox.aws_plugin.provider"]
    if plugin := kubernetes_plugin.PLUGIN.find():
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
        _write(path, command)


def through_emulator(plugin: Path) -> list[str]:
    """The command that runs a real plugin with the emulator as its only network."""
    return ["sh", str(Path(__file__).with_name("through_emulator.sh")), str(plugin)]


def _write(path: Path, command: Sequence[str]) -> None:
    # A module of the project is found by PYTHONPATH; a script finds its modules by its own folder.
    modules = f"PYTHONPATH={shlex.quote(str(ROOT))} " if "-m" in command else ""
    text = f'#!/bin/sh\n{modules}exec {shlex.join(command)} "$@"\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(text)
        draft.chmod(0o755)
        draft.replace(path)


def _helm(local: Local) -> list[str]:
    """Variables of Helm, a part of the Kubernetes plugin: its folders, and the certificate authority that it trusts."""
    folders = [f"HELM_{name}_HOME={local.folder / 'helm' / name.lower()}" for name in ("CACHE", "CONFIG", "DATA")]
    return [*folders, f"SSL_CERT_FILE={local.authority}"]
