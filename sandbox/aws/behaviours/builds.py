"""Builds of CodeBuild: the commands of a buildspec, in a process on this machine with the role of the project.

The image of the project is not pulled: the process has the sandbox's engine and the emulator's Python packages instead.
What the role allows is not enforced; what its access entry allows in a cluster is.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.aws.world import World

CHECKOUT = Path(__file__).parents[3]
PASSED_ON = ("PATH", "HOME", "XDG_CACHE_HOME", "DR_TOOLCHAIN_CACHE", "DR_SANDBOX_STATE")
"""Variables of this process by which a build finds the sandbox's programs."""

NETWORK = (
    "unset http_proxy https_proxy no_proxy",
    'export HTTP_PROXY="$AWS_ENDPOINT_URL" HTTPS_PROXY="$AWS_ENDPOINT_URL" NO_PROXY=127.0.0.1,localhost',
    'export SSL_CERT_FILE="$DR_SANDBOX_STATE/authority.pem"',
)
"""The emulator as the only network of a build, as for the command `dr` (sandbox/engine/launchers.py)."""


class Build:
    """One build.

    Args:
        id: Its ID, "project:uuid".
        region: Its region.
        project: The project, as CreateProject takes it.
        overrides: Parameters of StartBuild.
        world: What behaviours share.
    """

    def __init__(self, id: str, region: str, project: dict[str, Any], overrides: dict[str, Any], world: World) -> None:
        self.id, self.region, self.project = id, region, str(project["name"])
        self._about, self._overrides, self._world = project, overrides, world
        self._status, self._started = "IN_PROGRESS", datetime.datetime.now(datetime.UTC)
        self._ended_at: datetime.datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether its commands have ended."""
        return self._status != "IN_PROGRESS"

    def start(self) -> None:
        """Run its commands in the background."""
        threading.Thread(target=self._run, name=f"build-{self.id}", daemon=True).start()

    def described(self) -> dict[str, Any]:
        """Describe it as BatchGetBuilds does."""
        arn = self._about["arn"].replace(f":project/{self.project}", f":build/{self.id}")
        group = self._about.get("logsConfig", {}).get("cloudWatchLogs", {}).get("groupName")
        return {
            "id": self.id,
            "arn": arn,
            "projectName": self.project,
            "buildStatus": self._status,
            "buildComplete": self.ended,
            "currentPhase": "COMPLETED" if self.ended else "BUILD",
            "startTime": self._started,
            **({"endTime": self._ended_at} if self._ended_at else {}),
            "logs": {"groupName": group, "streamName": self.id.partition(":")[2]},
        }

    def _run(self) -> None:
        try:
            with self._world.inside(), tempfile.TemporaryDirectory(prefix="build-") as folder:
                self._download(Path(folder))
                code, text = self._commands(Path(folder))
            self._log(text)
            self._end("SUCCEEDED" if code == 0 else "FAILED")
        except Exception as error:  # noqa: BLE001 - the build reports it
            self._log(f"{type(error).__name__}: {error}")
            self._end("FAULT")

    def _end(self, status: str) -> None:
        self._ended_at = datetime.datetime.now(datetime.UTC)
        self._status = status

    def _client(self, service: str) -> Any:
        return self._world.client(service, self.region)

    def _download(self, folder: Path) -> None:
        source = self._about["source"]
        if self._overrides.get("sourceTypeOverride", source["type"]) != "S3":
            return
        bucket, _, key = self._overrides.get("sourceLocationOverride", source.get("location", "")).partition("/")
        content = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        zipfile.ZipFile(io.BytesIO(content)).extractall(folder)

    def _commands(self, folder: Path) -> tuple[int, str]:
        """Run the commands of all phases in one shell; return the exit code and the output."""
        spec = json.loads(self._about["source"]["buildspec"])
        commands = [command for phase in spec["phases"].values() for command in phase["commands"]]
        credentials = self._client("sts").assume_role(
            RoleArn=self._about["serviceRole"], RoleSessionName="AWSCodeBuild"
        )["Credentials"]
        declared = self._about["environment"].get("environmentVariables", ())
        overridden = self._overrides.get("environmentVariablesOverride", ())
        given = {each["name"]: each["value"] for each in (*declared, *overridden)}
        variables = {
            **given,
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials["SessionToken"],
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "ML_DR_VENV": sys.prefix,
            "DR_PROJECT": str(folder),
        }
        image = f"PYTHONPATH={shlex.quote(str(CHECKOUT))} {shlex.quote(sys.executable)} -m sandbox env"
        script = [
            "set -e",
            f'eval "$({image})"',
            *NETWORK,
            *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
            *commands,
        ]
        done = subprocess.run(
            ["sh", "-c", "\n".join(script)],
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def _log(self, text: str) -> None:
        group = self.described()["logs"]["groupName"]
        if not group:
            return
        logs, stream = self._client("logs"), self.id.partition(":")[2]
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        now = int(time.time() * 1000)
        lines = [{"timestamp": now, "message": line} for line in text.splitlines() if line]
        if lines:
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=lines)
