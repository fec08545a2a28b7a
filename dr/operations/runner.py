"""Run a command inside a region's VPC, with the CodeBuild project that `dr:runner` creates.

The checkout is uploaded to the region's control bucket, so a run needs nothing outside the region but the image of the
project, which is in a registry of the region.
"""

from __future__ import annotations

import io
import os
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dr.clients import IN_SANDBOX, Missing, calls, client
from dr.errors import Failed, Problem, Refused
from dr.names import CONTROL
from dr.supply.lock import FILE as LOCK
from dr.topology.topology import Topology

SOURCE_PREFIX = "runner/"
"""Prefix of uploaded checkouts in the control bucket."""
FOLDERS = ("components", "dr", "policies", "stacks")
FILES = ("__main__.py", "pyproject.toml", "requirements.txt", LOCK)
"""With Pulumi*.yaml, what a deployment consists of."""
BUILD_MINUTES = 60
POLL_SECONDS = 5.0
BACKEND, PASSPHRASE = "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"
"""Variables of the operator that the command gets, too; the passphrase only in a sandbox, where it is public."""
BUILDSPEC: Mapping[str, Any] = {
    "version": "0.2",
    "phases": {
        "build": {
            "commands": [
                'export PATH="$PWD/.local/bin:$PATH"',
                "mkdir -p .local/bin",
                'ln -sfn "${ML_DR_VENV:?is not set in the image: docs/how-to/runner.md}" .local/venv',
                'printf \'#!/bin/sh\\nPYTHONPATH="%s" exec "%s/bin/python" -m dr "$@"\\n\' "$PWD" "$ML_DR_VENV"'
                " > .local/bin/dr",
                "chmod +x .local/bin/dr",
                'eval "$DR_COMMAND"',
            ]
        }
    },
}
"""Commands of a build. The image has Pulumi, its plugins and, in $ML_DR_VENV, the Python packages."""
ENDED = ("SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        build: ID of the build.
        status: Its status: "SUCCEEDED".
        log: Lines that the command printed.
    """

    build: str
    status: str
    log: tuple[str, ...]


def project_name(prefix: str) -> str:
    """Return the name of the CodeBuild project of a deployment."""
    return f"{prefix}-runner"


def run(topology: Topology, folder: Path, command: str) -> Run:
    """Upload the checkout, run a command in it inside the region of a stack, and wait until it ends.

    Args:
        topology: The topology of the stack.
        folder: Folder of Pulumi.yaml.
        command: A shell command: "pulumi up -s dr --yes".

    Raises:
        Refused: The region has no runner, or the build would have a passphrase in plain text.
        Failed: CodeBuild or S3 refused a request.
        Unreachable: The region does not answer.
    """
    variables = {"DR_COMMAND": command} | passed_on(os.environ)
    region, name = topology.here.region, project_name(topology.bucket_prefix)
    bucket, key = topology.bucket(CONTROL, topology.role), f"{SOURCE_PREFIX}{topology.role}.zip"
    builds = client("codebuild", region)
    with calls(f"project {name}", region):
        if not builds.batch_get_projects(names=[name])["projects"]:
            remedy = (
                "`pulumi config set dr:runner true` in this stack, and deploy it from outside: docs/how-to/runner.md"
            )
            raise Refused(Problem("dr:runner", f"{region} has no project {name}", remedy))
    with calls(f"s3://{bucket}/{key}", region):
        client("s3", region).put_object(Bucket=bucket, Key=key, Body=archive(folder))
    with calls(f"project {name}", region):
        build = builds.start_build(
            projectName=name,
            sourceTypeOverride="S3",
            sourceLocationOverride=f"{bucket}/{key}",
            environmentVariablesOverride=[{"name": each, "value": value} for each, value in variables.items()],
        )["build"]["id"]
    return _wait(builds, name, region, build)


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a build gets.

    Args:
        environment: The operator's environment variables.

    Raises:
        Refused: One of them is a secret. A build shows its variables (CodeBuild API reference, BatchGetBuilds).
    """
    if environment.get(PASSPHRASE) and IN_SANDBOX not in environment:
        fact = "a build would have it in plain text, which everyone reads who may call codebuild:BatchGetBuilds"
        remedy = "`pulumi stack change-secrets-provider awskms://ALIAS`, then unset it: docs/how-to/runner.md"
        raise Refused(Problem(PASSPHRASE, fact, remedy))
    return {name: environment[name] for name in (BACKEND, PASSPHRASE) if name in environment}


def _wait(builds: Any, name: str, region: str, build: str) -> Run:
    while True:
        with calls(f"build {build}", region):
            found = builds.batch_get_builds(ids=[build])["builds"][0]
        if found["buildStatus"] in ENDED:
            return Run(build, found["buildStatus"], tuple(_log(f"/{name}", region, build.partition(":")[2])))
        time.sleep(POLL_SECONDS)


def _log(group: str, region: str, stream: str) -> Iterator[str]:
    try:
        with calls(f"log group {group}", region):
            answer = client("logs", region).get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
    except Missing:
        return
    except Failed as error:
        yield f"the log cannot be read: {error.problems[0].fact}"
        return
    yield from (each["message"].rstrip() for each in answer["events"])


def archive(folder: Path) -> bytes:
    """Return a zip file of what a deployment consists of, without anything else of the folder.

    Args:
        folder: Folder of Pulumi.yaml.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(_files(folder)):
            target.write(path, path.relative_to(folder))
    return buffer.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    yield from folder.glob("Pulumi*.yaml")
    yield from (path for path in map(folder.joinpath, FILES) if path.is_file())
    for name in FOLDERS:
        yield from (path for path in (folder / name).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
