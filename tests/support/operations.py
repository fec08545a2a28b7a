"""A recovery region over the emulator's S3 and CloudWatch, in which operations run with a simulated cluster and DNS."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.client
import pytest

from dr import clients
from dr.clients import Missing
from dr.control import contract, shared_journal
from dr.control.incident_state import IncidentState
from dr.control.journal import Entry
from dr.control.state_store import StateStore
from dr.data import model_sets, publication
from dr.data.model_sets import Probe
from dr.data.publication import Item
from dr.errors import Problem
from dr.names import SENTINEL_KEY
from dr.operations import capacity_steps, inference_probe, signals, validation_steps
from dr.operations.capacity_steps import GpuGroup
from dr.operations.clients_dns import Clients
from dr.operations.inference_probe import Answer
from dr.operations.measurements import Alarm, Alarms
from dr.operations.operation import Operation, Plan, execute, plan
from dr.operations.quorum import Sight, Signal
from dr.operations.scene import Options, Scene, read_scene
from dr.operations.step_runner import new_run
from dr.operations.steps import Step
from dr.topology.topology import Role
from dr.topology.writers import WRITERS
from sandbox.server import Running
from tests.support.builders import DNS, half, topology

EAST, WEST = "us-east-1", "us-west-2"
REGIONS = {Role.PRIMARY: EAST, Role.RECOVERY: WEST}
PAIRS = ("datasets", "models", "registry", "control")
DNS_OF = {
    Role.PRIMARY: {},
    Role.RECOVERY: {
        "lever": "admit",
        "lever_alarm": "ml-dr-lever-admit",
        "regional_name": "inference-dr.ml.example.com",
    },
}
CLUSTER = {"name": "ml-dr", "endpoint": "https://cluster.example.com", "ca_data": ""}
PROBE = Probe({"inputs": []}, ([7],))


class Backups:
    """What writes backups in a cluster.

    Args:
        role: Role of the region.
        serves: Whether clients use the region.
    """

    def __init__(self, role: Role, serves: bool, acts: list[str]) -> None:
        self.role, self.acts = role, acts
        self.fields = {each.path: each.fields(serves) for each in WRITERS}

    @property
    def active(self) -> list[str]:
        return [each.title for each in WRITERS if self.fields.get(each.path) == each.active]

    def get(self, path: str, **query: str) -> dict[str, Any]:
        if path not in self.fields:
            raise Missing(Problem(path, "404 Not Found", "check the name"))
        return {"spec": {"other": 1, **self.fields[path]}}

    def change(self, path: str, change: dict[str, Any]) -> None:
        self.fields[path] |= change["spec"]
        (title,) = (each.title for each in WRITERS if each.path == path)
        self.acts.append(f"{self.role}: {title}")


@dataclass
class Region:
    """The simulated part of a recovery region: cluster, DNS and endpoints."""

    replicas: int = 0
    nodes: dict[str, int] = field(default_factory=lambda: {f"{WEST}{zone}": 0 for zone in "abc"})
    primary_well: bool = False
    right: bool = True
    acts: list[str] = field(default_factory=list)
    ready_replicas: int | None = None
    """Ready replicas; None: those that nodes can hold."""
    state: Callable[[], IncidentState] = IncidentState

    def __post_init__(self) -> None:
        self.handed: list[str] = []
        """What was handed over, in order."""
        self.backups = Backups(Role.RECOVERY, serves=False, acts=self.handed)
        self.backups_of_primary = Backups(Role.PRIMARY, serves=True, acts=self.handed)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        if path in {each.path for each in WRITERS}:
            return self.backups.get(path)
        if path.endswith("/scale"):
            return {"spec": {"replicas": self.replicas}}
        if path == "/api/v1/nodes":
            ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}, "spec": {}}
            made = [{"name": f"n{each}", "labels": {"pool": "gpu"}} for each in range(sum(self.nodes.values()))]
            return {"items": [{"metadata": each, **ready} for each in made]}
        ready_now = min(self.replicas, sum(self.nodes.values())) if self.ready_replicas is None else self.ready_replicas
        return {"status": {"readyReplicas": ready_now}}

    def cluster_of(self, role: Role) -> Any:
        return self.backups_of_primary if role is Role.PRIMARY else self

    def change(self, path: str, change: dict[str, Any]) -> None:
        self.backups.change(path, change)

    def merge(self, path: str, change: dict[str, Any]) -> None:
        self.acts.append(f"replicas {change['spec']['replicas']}")
        self.replicas = change["spec"]["replicas"]

    def ready(self) -> None:
        """Nothing: the API server is ready."""

    def groups(self, scene: Scene) -> list[GpuGroup]:
        return [GpuGroup(f"gpu-{zone[-1]}", zone, size, size, 4) for zone, size in self.nodes.items()]

    def resize(self, scene: Scene, group: GpuGroup, least: int, desired: int) -> None:
        self.acts.append(f"{group.name} {desired}")
        self.nodes[group.zone] = desired

    def alarms(self) -> Alarms:
        engaged = "ALARM" if self.state().levers.engaged else "OK"
        states = {"ml-dr-lever-engage": engaged, "ml-dr-lever-admit": "OK"}
        now = datetime.now(UTC)
        return Alarms(now, tuple(Alarm(name, WEST, state, now) for name, state in states.items()))

    def clients(self) -> Clients:
        return Clients("inference.ml.example.com", WEST if self.state().levers.engaged else EAST)

    def signals(self, scene: Scene) -> list[Signal]:
        sight = Sight.WELL if self.primary_well else Sight.LOST
        names = ("primary-silent", "sentinel-stale", "request")
        return [Signal(name, sight, "simulated", timedelta(minutes=5)) for name in names]

    def answer(self, name: str, model: str, probe: Probe, requests: int, together: int, seconds: float) -> list[Answer]:
        return [Answer(self.right, f"{name} predicts [[{7 if self.right else 3}]]")] * requests


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Region:
    made = Region()
    monkeypatch.setattr(Scene, "cluster", made)
    monkeypatch.setattr(Scene, "cluster_of", lambda scene, role: made.cluster_of(role))
    monkeypatch.setattr(capacity_steps, "gpu_groups", made.groups)
    monkeypatch.setattr(capacity_steps, "resize", made.resize)
    monkeypatch.setattr(Scene, "alarms", lambda scene: made.alarms())
    monkeypatch.setattr(Scene, "clients", lambda scene: made.clients())
    monkeypatch.setattr(signals, "read", made.signals)
    monkeypatch.setattr(inference_probe, "ask_all", made.answer)
    monkeypatch.setattr(validation_steps, "SUSTAINED", timedelta(0))
    return made


@pytest.fixture
def deployed(aws: Running, there: Region, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Region:
    """Both regions' buckets with the contract, a sentinel and a model set; tier pilot."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv(clients.IN_SANDBOX, raising=False)
    file = tmp_path / "model.bin"
    file.write_bytes(b"model")
    for region in REGIONS.values():
        s3 = aws.client("s3", region)
        for pair in PAIRS:
            where = {} if region == EAST else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            s3.create_bucket(Bucket=bucket(region, pair), **where)
            s3.put_bucket_versioning(Bucket=bucket(region, pair), VersioningConfiguration={"Status": "Enabled"})
        for role in Role:
            body = json.dumps(half(role, dns=DNS | DNS_OF[role], cluster=CLUSTER).to_dict())
            s3.put_object(Bucket=bucket(region, "control"), Key=contract.key_of(role), Body=body)
    write_sentinel(aws, datetime.now(UTC))
    buckets = {pair: bucket(WEST, pair) for pair in PAIRS}
    publication.publish(WEST, buckets, "digits", [Item("model", "models", file)], probe=PROBE)
    there.state = lambda: StateStore(WEST, bucket(WEST, "control")).read().state
    return there


def bucket(region: str, pair: str) -> str:
    return f"ml-dr-123456789012-{region}-{pair}"


def write_sentinel(aws: Running, at: datetime) -> None:
    body = json.dumps({"written": at.isoformat()})
    aws.client("s3", WEST).put_object(Bucket=bucket(WEST, "control"), Key=SENTINEL_KEY, Body=body)


def scene(settings: Mapping[str, str] | None = None, **options: Any) -> Scene:
    """Return the scene, of a topology with some settings changed; keywords replace options."""
    made = topology(Role.RECOVERY, **(settings or {}))
    return read_scene(made, Options(**{"reason": "us-east-1 is lost", "run": new_run(), **options}))


def run(operation: Operation, **options: Any) -> Plan:
    here = scene(**options)
    made = plan(here, operation)
    execute(here, operation, made)
    return made


def quick(operation: Operation, *names: str) -> Operation:
    """Return an operation in which some steps fail at their first look."""

    def steps() -> list[Step[Scene]]:
        return [replace(step, timeout=timedelta(0)) if step.name in names else step for step in operation.steps()]

    return replace(operation, steps=steps)


def entries(run_id: str) -> Iterator[Entry]:
    return shared_journal.of_topology(topology(Role.RECOVERY)).entries(run_id)


def events(run_id: str) -> list[tuple[str, str]]:
    return [(each.event, each.step) for each in entries(run_id)]


@pytest.fixture
def replicated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both regions hold the same objects: the emulator of this test has no replication rules."""
    from dr.operations import data_steps

    monkeypatch.setattr(data_steps, "_newest", lambda region, name: {})
    read = clients.read_object

    def either(region: str, name: str, key: str) -> bytes:
        return read(WEST, name.replace(EAST, WEST), key)

    monkeypatch.setattr(data_steps, "read_object", either)
    monkeypatch.setattr(model_sets, "newest", lambda region, buckets, name: replace(MANIFEST))


MANIFEST = model_sets.Manifest("digits", "set", "2026-11-28T00:00:00+00:00", "0" * 64, (), PROBE)


class KilledError(BaseException):
    """The process died: every later call dies too."""


class Death:
    """Lets the process die after a number of calls of APIs; 0 counts them only."""

    def __init__(self) -> None:
        self.limit, self.count = 0, [0]

    def __call__(self, number: int) -> None:
        """Set the number, and count from 0."""
        self.limit, self.count[0] = number, 0

    def call(self, act: Callable[[], Any]) -> Any:
        """Make a call, unless the process died before it or dies after it."""
        self._check()
        answer = act()
        self.count[0] += 1
        self._check()
        return answer

    def _check(self) -> None:
        if self.limit and self.count[0] >= self.limit:
            raise KilledError


@pytest.fixture
def die_after(monkeypatch: pytest.MonkeyPatch) -> Death:
    """Return what makes the process die after a number of API calls."""
    real, death = botocore.client.BaseClient._make_api_call, Death()

    def call(self: Any, operation: str, arguments: Any) -> Any:
        return death.call(lambda: real(self, operation, arguments))

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return death


def finished(region: Region) -> bool:
    incident = region.state().incident
    return bool(incident and ("run.finished", "") in events(incident.id))


def fenced_first(steps: list[str]) -> bool:
    """Return whether the primary record was closed before the recovery record was opened."""
    return "admit" not in steps or "engage" in steps[: steps.index("admit")]


def reset(region: Region) -> None:
    StateStore(WEST, bucket(WEST, "control")).update(lambda stored: IncidentState(lease=None))
    region.replicas, region.nodes = 0, dict.fromkeys(region.nodes, 0)
