"""Check for the `dr` command on the PATH of Pulumi's plugins.

Pulumi's Kubernetes plugin runs `dr eks-token` for each token of a cluster (dr/clusters/kubeconfig.py). The engine
starts the plugin outside the virtual environment of the program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from dr.findings import Finding, Status
from dr.preflight.check import Subject

NAME = "dr command"
LAUNCHER = ".local/venv/bin/dr"
SECONDS = 15
SIGNATURE = "Print a token for the API of an EKS cluster."
"""First line of the help of `dr eks-token`, by which this project's command is recognized."""


def engine_path(environment: Mapping[str, str]) -> str:
    """Return the PATH of the engine and its plugins, from the environment of a program that the engine started.

    The language host prepends the folder of commands of the virtual environment for the program alone (pulumi,
    sdk/python/python.go, ActivateVirtualEnv).

    Args:
        environment: Variables of the program's process.
    """
    path, venv = environment.get("PATH", ""), environment.get("VIRTUAL_ENV")
    first, _, rest = path.partition(os.pathsep)
    return rest if venv and Path(first) == Path(venv, "bin") else path


def look(subject: Subject) -> Iterator[Finding]:
    """Check that `dr` of this project is on PATH, if the stack has a cluster.

    Args:
        subject: The deployment to check.
    """
    remedy = f'`make install && export PATH="{subject.project / LAUNCHER.removesuffix("/dr")}:$PATH"`'
    if not subject.topology.tier_here.spec.cluster:
        yield Finding(NAME, Status.INFO, "not needed: this tier has no cluster")
        return
    found = shutil.which("dr", path=subject.search_path)
    if not found:
        fact = "is not on PATH; Pulumi's Kubernetes plugin runs it for each token of the cluster"
        yield Finding(NAME, Status.MISSED, fact, remedy)
    elif problem := _foreign(found):
        yield Finding(NAME, Status.MISSED, f"{found}, which PATH finds first, {problem}", remedy)
    else:
        yield Finding(NAME, Status.MET, found)


@cache
def _foreign(command: str) -> str:
    """Describe why a command is not this project's `dr`; "" if it is."""
    try:
        done = subprocess.run(
            [command, "eks-token", "--help"],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            # rich would add colors and wrap the line.
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be run: {error}"
    if SIGNATURE in done.stdout:
        return ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"is not this project's command: `dr eks-token --help` answers {said[-1] if said else 'nothing'!r}"
