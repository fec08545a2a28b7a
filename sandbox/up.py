"""Steps of `make up`. Each step checks whether it is needed, so a second run without changes does nothing."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from dr import clients
from dr.config.project import read_config
from dr.control import incident_state
from dr.errors import DrError, Failed, Problem, Refused
from dr.names import CONTROL
from dr.operations.steps import Report, State, Step, Verdict
from sandbox import first_prediction, model_set, resources, server_process
from sandbox.engine.engine import Engine
from sandbox.engine.environment import WITHOUT_CHECKPOINTS, enter, environment
from sandbox.engine.locks import drop_dead_locks
from sandbox.local import ROOT, Local, read_json, write_json
from sandbox.resources import Resources
from sandbox.server_process import Server
from sandbox.toolchain import aws_plugin
from sandbox.toolchain.cache import cache
from sandbox.toolchain.programs import Programs, ensure_programs, find_programs

PRIMARY, RECOVERY = "primary", "dr"
PROGRAM = ("__main__.py", "components", "dr", "stacks", "requirements.txt")
"""Files and folders that a deployment depends on, besides its configuration."""


@dataclass
class World:
    """Context of the steps; the steps set programs, server and engine.

    Args:
        local: Paths of the sandbox.
        programs: Pulumi engine and Kubernetes programs.
        server: The running emulator.
        engine: Pulumi engine with the sandbox's environment.
        notices: Messages for the summary that are not errors.
    """

    local: Local
    programs: Programs | None = None
    server: Server | None = None
    engine: Engine | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def primary_region(self) -> str:
        """Primary region, from the configuration."""
        return read_config(self.local.project, PRIMARY)["dr:primaryRegion"]

    @property
    def recovery_region(self) -> str:
        """Recovery region, from the configuration."""
        return read_config(self.local.project, RECOVERY)["dr:recoveryRegion"]

    def buckets(self, region: str) -> Mapping[str, str]:
        """Return the buckets of a region by pair, from the outputs of the primary stack."""
        side = 0 if region == self.primary_region else 1
        return {pair: names[side] for pair, names in self.ready_engine.outputs(PRIMARY)["buckets"].items()}

    @property
    def public_name(self) -> str:
        """Name by which clients ask for predictions, from the outputs of the primary stack."""
        return str(self.ready_engine.outputs(PRIMARY)["contract"]["dns"]["public_name"])

    @property
    def ready_engine(self) -> Engine:
        """The engine; created when programs and emulator are available."""
        if self.engine is None:
            if self.programs is None or self.server is None:
                raise RuntimeError("the steps before this one have not run")
            variables = environment(self.local, self.server, self.programs.engine)
            enter(variables)
            clients.forget()
            self.engine = Engine(self.local, self.programs.engine, variables)
        return self.engine


def measured(world: World) -> Resources:
    """Return the memory and disk space that `up` needs, and those available on this machine."""
    build, running = find_programs() is None, server_process.find(world.local) is not None
    return resources.measure(world.local.folder, cache(), build=build, running=running)


def steps() -> list[Step[Any]]:
    """Return the steps of `up`, in order."""
    return [
        Step("programs", "Get Pulumi and Kubernetes", _have_programs, _get_programs, expected=timedelta(minutes=12)),
        Step("emulator", "Start AWS on this machine", _emulator_is_ours, _start_emulator, _emulator_runs),
        _deploy(PRIMARY, "Deploy the primary stack"),
        _deploy(RECOVERY, "Deploy the dr stack"),
        *model_set.steps(),
        *first_prediction.steps(),
    ]


def _have_programs(world: World) -> Verdict:
    world.programs = find_programs()
    if world.programs is None:
        return Verdict(State.NEEDED, "some are not there yet")
    return Verdict(State.DONE, f"{world.programs}; {aws_plugin.description()}")


def _get_programs(world: World, report: Report) -> None:
    world.programs = ensure_programs(report)


def _emulator_is_ours(world: World) -> Verdict:
    """Check that the emulator is running, and that the local stacks are complete and belong to this run of it."""
    runs = _emulator_runs(world)
    if runs.state is not State.DONE or world.server is None:
        return runs
    if read_json(world.local.deployed).get("run") != world.server.run or _cut_off(world.local).exists():
        return Verdict(State.NEEDED, "the local stacks are not of this run of it")
    return runs


def _emulator_runs(world: World) -> Verdict:
    world.server = server_process.find(world.local)
    return Verdict(State.DONE, world.server.endpoint) if world.server else Verdict(State.NEEDED, "it is not running")


def _start_emulator(world: World, report: Report) -> None:
    """Start the emulator. Stacks of a previous run are discarded: the emulator loses its state when it stops."""
    local = world.local
    if pids := drop_dead_locks(local):
        remedy = f"wait for it, or stop it (`kill {pids[0]}`), then `make up` again"
        raise Refused(Problem("the local stacks", f"an operation of Pulumi still runs on them, pid {pids[0]}", remedy))
    world.server = server_process.find(local)
    if world.server and _cut_off(local).exists():
        # The interrupted deployment wrote no state, so its resources are unknown.
        server_process.stop(local)
        world.server = None
    if world.server is None:
        world.server = server_process.start(local, world.programs.kubernetes.folder if world.programs else None)
    if local.backend.exists():
        world.notices.append("The emulator keeps nothing after a stop, so the local stacks were created again.")
        shutil.rmtree(local.backend)
    world.engine = None
    write_json(local.deployed, {"run": world.server.run})
    _cut_off(local).unlink(missing_ok=True)


def _cut_off(local: Local) -> Path:
    """Return the path of a file that exists during a deployment without checkpoints; a killed run leaves it behind."""
    return local.folder / "deploying-without-checkpoints"


def _deploy(stack: str, title: str) -> Step[Any]:
    def evaluate(world: World) -> Verdict:
        if read_json(world.local.deployed).get(stack) != _fingerprint(world, stack):
            return Verdict(State.NEEDED, "the program, the configuration or the state differs from the last deployment")
        count = len(world.ready_engine.resources(stack))
        return Verdict(State.DONE, f"{count} resources")

    def act(world: World, report: Report) -> None:
        mark = _cut_off(world.local)
        first = not world.ready_engine.resources(stack)
        try:
            if first:
                mark.touch()
            changes = world.ready_engine.up(stack, report, WITHOUT_CHECKPOINTS if first else None)
        except Failed:
            # The engine was not killed, so it has written the state of its resources.
            mark.unlink(missing_ok=True)
            raise
        mark.unlink(missing_ok=True)
        report(str(changes), 1.0)
        write_json(world.local.deployed, {**read_json(world.local.deployed), stack: _fingerprint(world, stack)})

    return Step(f"deploy-{stack}", title, evaluate, act, expected=timedelta(seconds=10))


def _fingerprint(world: World, stack: str) -> str:
    """Return a hash of the program, the configuration, the stack's state and, in the dr stack, the incident state."""
    digest = hashlib.sha256()
    project = world.local.project
    files = [project / "Pulumi.yaml", project / f"Pulumi.{stack}.yaml", world.ready_engine.checkpoint(stack)]
    for name in PROGRAM:
        files += sorted((ROOT / name).rglob("*.py")) if (ROOT / name).is_dir() else [ROOT / name]
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes() if file.exists() else b"")
    if stack == RECOVERY:
        digest.update(_state_of_the_day(world))
    return digest.hexdigest()


def _state_of_the_day(world: World) -> bytes:
    bucket = world.ready_engine.outputs(PRIMARY).get("buckets", {}).get(CONTROL)
    if not bucket:
        return b""
    try:
        return clients.read_object(world.recovery_region, bucket[1], incident_state.KEY)
    except DrError:
        # Without an incident, the object does not exist; the deployment itself reports other errors.
        return b""


def forget(local: Local) -> None:
    """Delete the local stacks; their resources were lost when the emulator stopped."""
    shutil.rmtree(local.backend, ignore_errors=True)
    for file in (local.deployed, _cut_off(local)):
        file.unlink(missing_ok=True)
