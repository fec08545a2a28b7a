"""The registry's steps of failover, switchover and failback over the emulator's RDS; the clusters are simulated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dr.control import lease
from dr.control.incident_state import Incident, IncidentState
from dr.control.state_store import StateStore
from dr.errors import Failed, Refused
from dr.operations.operation import FAILBACK, FAILOVER, SWITCHOVER, Operation, execute, plan
from dr.operations.scene import Scene
from dr.operations.steps import Step
from dr.topology.registry import DATABASE_HOST, DEPLOYMENT, REPLICAS
from dr.topology.topology import Role
from tests.support.databases import AWAY, HOME, Database
from tests.support.operations import EAST, WEST, Death, KilledError, Region, bucket, events, scene
from tests.support.registry import deployed as deployment

RESTORED = "ml-dr-restored"
REGISTRY = {"registry": "mlflow", "registryImage": "docker.io/registry:1"}
SAMPLE = 4
"""Without --all, an operation is killed after every fourth API call."""
INCIDENT = Incident("20261129T120000Z-a1b2c3", "2026-11-29T12:00:00+00:00", "a test")


class Server:
    """The MLflow server of a region, in an API server that reports each change of it as done at once.

    Args:
        role: Role of the region.
        death: Counts the calls.
    """

    def __init__(self, role: Role, death: Death) -> None:
        self.role, self.death = role, death
        self.found = deployment(0)
        self.others: list[Server] = []
        self.together = 0
        """Most replicas that the other region had when this one was started."""

    @property
    def state(self) -> tuple[int, str]:
        """Replicas, and the endpoint of their database."""
        template = self.found["spec"]["template"]["metadata"]
        return self.found["spec"]["replicas"], template["annotations"][DATABASE_HOST]

    def set(self, replicas: int, host: str) -> None:
        self.found = deployment(replicas, host=host)

    def get(self, path: str) -> dict[str, Any]:
        assert path == DEPLOYMENT
        return dict(self.death.call(lambda: self.found))

    def change(self, path: str, change: dict[str, Any]) -> None:
        assert path == DEPLOYMENT
        template = change["spec"].get("template")
        host = template["metadata"]["annotations"][DATABASE_HOST] if template else self.state[1]

        def act() -> None:
            if change["spec"]["replicas"]:
                self.together = max(self.together, *(each.state[0] for each in self.others))
            self.set(change["spec"]["replicas"], host)

        self.death.call(act)


Servers = dict[Role, Server]


@pytest.fixture
def servers(deployed: Region, die_after: Death, monkeypatch: pytest.MonkeyPatch) -> Servers:
    made = {role: Server(role, die_after) for role in Role}
    made[Role.PRIMARY].others, made[Role.RECOVERY].others = [made[Role.RECOVERY]], [made[Role.PRIMARY]]
    monkeypatch.setattr(Scene, "cluster_of", lambda scene, role: made[role])
    return made


def only(operation: Operation) -> Operation:
    """Return the steps of database and registry of an operation, without waits and guards."""

    def steps() -> list[Step[Scene]]:
        kept = [step for step in operation.steps() if "database" in step.name or "registry" in step.name]
        names = {step.name for step in kept}
        after = {step.name: tuple(name for name in step.after or () if name in names) for step in kept}
        return [replace(step, poll=timedelta(0), after=after[step.name]) for step in kept]

    return replace(operation, steps=steps, guards=())


def do(operation: Operation) -> None:
    here = scene(REGISTRY)
    execute(here, operation, plan(here, operation))


def endpoint(database: Database, region: str, cluster: str) -> str:
    rds = database.east if region == EAST else database.west
    found = [each for each in rds.describe_db_clusters()["DBClusters"] if each["DBClusterIdentifier"] == cluster]
    return str(found[0]["Endpoint"]) if found else ""


@pytest.fixture
def killed(database: Database, deployed: Region, servers: Servers, die_after: Death, everything: bool) -> Any:
    """Return what kills an operation after each API call, and yields once the next run has completed it."""

    def kills(operation: Operation, before: Operation | None, restores: bool) -> Iterator[int]:
        deployed.primary_well = not restores

        def begin() -> None:
            store = StateStore(WEST, bucket(WEST, "control"))
            store.update(lambda stored: IncidentState(incident=INCIDENT))
            database.reset()
            if restores:
                database.remove(RESTORED)
            servers[Role.PRIMARY].set(REPLICAS, endpoint(database, EAST, HOME))
            servers[Role.RECOVERY].set(0, "" if restores else endpoint(database, WEST, AWAY))
            if before:
                do(before)
            for each in servers.values():
                each.together = 0

        begin()
        die_after(0)
        do(operation)
        total = die_after.count[0]
        yield 0
        for number in range(1, total + 1, 1 if everything else SAMPLE):
            die_after(0)
            begin()
            here = scene(REGISTRY)
            made = plan(here, operation)
            die_after(number)
            with suppress(KilledError, Refused, Failed):
                execute(here, operation, made)
            die_after(0)
            again = plan(scene(REGISTRY), operation)
            execute(scene(REGISTRY, run=again.run), operation, again, take_over=lease.holder())
            assert len([each for each in events(again.run) if each[0] == "run.finished"]) == 1
            yield number

    return kills


@pytest.mark.parametrize("name", ["switchover", "failback"])
def test_server_moves_with_its_database_after_any_kill_and_never_runs_in_both_regions(
    name: str, database: Database, servers: Servers, killed: Any
) -> None:
    forwards, back = only(SWITCHOVER), only(FAILBACK)
    operation, before = (forwards, None) if name == "switchover" else (back, forwards)
    home, away = endpoint(database, EAST, HOME), endpoint(database, WEST, AWAY)
    primary, recovery = servers[Role.PRIMARY], servers[Role.RECOVERY]
    wanted = ((0, home), (REPLICAS, away), AWAY) if name == "switchover" else ((REPLICAS, home), (0, away), HOME)

    for number in killed(operation, before, restores=False):
        assert (primary.state, recovery.state, database.writer) == wanted, number
        assert (primary.together, recovery.together) == (0, 0), number


def test_failover_without_a_replica_starts_the_server_with_the_restored_database_after_any_kill(
    database: Database, servers: Servers, killed: Any
) -> None:
    database.publish(replica=False)
    database.copy_snapshot()

    for number in killed(only(FAILOVER), None, restores=True):
        restored = endpoint(database, WEST, RESTORED)
        assert servers[Role.RECOVERY].state == (REPLICAS, restored), number
        assert restored, number
        assert servers[Role.PRIMARY].state[0] == REPLICAS, "a lost region is not called"
