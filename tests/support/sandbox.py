"""A sandbox for one test: emulator, engine and project files in a temporary folder."""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from dr import clients
from dr.data import model_sets, publication
from sandbox import server_process
from sandbox.clusters.velero_store import AGENT
from sandbox.emulator_client import ask
from sandbox.engine.engine import Engine
from sandbox.engine.environment import WITHOUT_CHECKPOINTS, environment
from sandbox.engine.events import Changes
from sandbox.local import ROOT, Local
from sandbox.model_set import NAME, Trained
from sandbox.server import client_of
from sandbox.server_process import Server
from sandbox.toolchain.programs import Programs, ensure_programs
from tests.support.waiting import wait_for

STACKS = ("primary", "dr")


@dataclass
class SandboxUnderTest:
    """A running sandbox."""

    local: Local
    server: Server
    engine: Engine
    programs: Programs

    def client(self, service: str, region: str) -> Any:
        """Return a boto3 client for the emulator."""
        return client_of(self.server.endpoint, service, region)

    def gpu_nodes(self, region: str) -> tuple[int, int]:
        """Return the minimum and the desired number of GPU nodes of all zones."""
        groups = self.client("autoscaling", region).describe_auto_scaling_groups()["AutoScalingGroups"]
        found = [each for each in groups if each["AutoScalingGroupName"].startswith("eks-cluster-gpu-")]
        return sum(each["MinSize"] for each in found), sum(each["DesiredCapacity"] for each in found)

    def configure(self, stack: str, **values: object) -> None:
        """Set keys of the `dr` namespace in a stack's file, as `pulumi config set` does; None removes one."""
        import yaml

        path = self.local.project / f"Pulumi.{stack}.yaml"
        content = yaml.safe_load(path.read_text())
        for key, value in values.items():
            content["config"].pop(f"dr:{key}", None)
            if value is not None:
                content["config"][f"dr:{key}"] = value
        path.write_text(yaml.safe_dump(content))

    @contextmanager
    def configured(self, stack: str, **values: object) -> Iterator[None]:
        """Set keys until the block ends, then restore the file; the test restores the deployment."""
        path = self.local.project / f"Pulumi.{stack}.yaml"
        before = path.read_text()
        self.configure(stack, **values)
        try:
            yield
        finally:
            path.write_text(before)

    def publish(self, trained: Trained) -> None:
        """Publish the model set in the primary region, and wait until it is replicated."""
        regions = ("us-east-1", "us-west-2")
        with mock.patch.dict(os.environ, self.engine.variables):
            clients.forget()
            buckets = {
                region: {pair: names[side] for pair, names in self.engine.outputs("primary")["buckets"].items()}
                for side, region in enumerate(regions)
            }
            published = publication.publish(regions[0], buckets[regions[0]], NAME, trained.items, probe=trained.probe)
            wait_for(lambda: model_sets.newest(regions[1], buckets[regions[1]], NAME) == published)
        clients.forget()

    def lose(self, region: str) -> None:
        """Make a region and the global control planes unreachable."""
        self.fault(kind="region", region=region, unreachable=True, with_global=True)

    def fault(self, **content: object) -> None:
        """Inject a fault."""
        ask(self.server, "POST", "faults", content)

    def repair(self) -> None:
        """Remove all faults."""
        ask(self.server, "DELETE", "faults")

    def advance(self, minutes: int) -> None:
        """Advance the sandbox's clock minute by minute, in steps of ten."""
        for done in range(0, minutes, 10):
            ask(self.server, "POST", "clock", {"advance": 60 * min(10, minutes - done)})

    def measure(self) -> None:
        """Advance the clock beyond the alarms' periods, because lowering a serving tier needs known alarm states."""
        self.advance(4)

    @contextmanager
    def time_passes(self) -> Iterator[None]:
        """Advance the clock by a minute of the sandbox a second until the block ends, as in a slow update on AWS."""
        ended = threading.Event()

        def run() -> None:
            while not ended.wait(1):
                self.advance(1)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def messages(self) -> list[dict[str, Any]]:
        """Return the alarm messages with their recipients."""
        return list(ask(self.server, "GET", "messages")["messages"])

    def mark(self) -> int:
        """Return the current position in the record of calls."""
        return int(ask(self.server, "GET", "calls")["next"])

    def calls(self, since: int) -> list[dict[str, Any]]:
        """Return the API calls since a position, without those of Velero in the clusters."""
        found = ask(self.server, "GET", f"calls?since={since}")["calls"]
        return [call for call in found if f"app/{AGENT}" not in call["agent"]]

    def operations(self, since: int) -> Counter[str]:
        """Return the number of calls by operation since a position: "s3:PutObject"."""
        return Counter(f"{call['service']}:{call['operation']}" for call in self.calls(since))


UPSTREAM = "images and charts: upstream"
"""Start of the warning of every preview until `dr:supply` is `mirror`."""


def warned(changes: Changes) -> tuple[str, ...]:
    """Return the warnings of a preview or an update, except the one about the publishers' registries."""
    return tuple(each for each in changes.warnings if not each.startswith(UPSTREAM))


def copy_project(folder: Path, main: Path = ROOT) -> Path:
    """Copy the project's files to a folder; they run the program of the checkout."""
    folder.mkdir(parents=True)
    for name in ("Pulumi.yaml", *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
        shutil.copy(ROOT / name, folder / name)
    file = folder / "Pulumi.yaml"
    file.write_text(file.read_text() + f'main: "{main}"\n')
    return folder


@contextmanager
def sandbox_in(folder: Path, project: Path | None = None) -> Iterator[SandboxUnderTest]:
    """Run a sandbox in a folder until the block ends.

    Its engine writes a stack's state only at the end of an operation. Checkpoints would take half of its time, and
    matter only to tests that kill it.
    """
    local = Local(folder / "state", project or copy_project(folder / "project"))
    programs = ensure_programs(lambda text, share: None)
    server = server_process.start(local, programs.kubernetes.folder, os.getpid())
    try:
        # The clock stands still, so that schedules add no calls to the record unless a test advances it.
        ask(server, "POST", "clock", {"follow": False})
        variables = {**environment(local, server, programs.engine), **WITHOUT_CHECKPOINTS}
        yield SandboxUnderTest(local, server, Engine(local, programs.engine, variables), programs)
        if running := server_process.find(local):  # a test may have stopped it
            assert ask(running, "GET", "refused") == [], "hosts outside the sandbox were asked"
    finally:
        server_process.stop(local)
