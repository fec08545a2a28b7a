"""The run of a drill: healthy clients, the fault, detection, the same failover as for real, and the failback.

Whatever fails, the fault is ended and the failback is tried. Each error is a part of the record.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from dr.drills import allowed, failback, guards, killed, pacing, result, running, writes
from dr.drills.attempts import attempt
from dr.drills.catalog import Drill
from dr.drills.deployment import Deployment
from dr.drills.environment import Clients, Sandbox
from dr.drills.pacing import Paced
from dr.drills.record import Record
from dr.drills.running import Process, Running
from dr.drills.watching import Noted
from dr.drills.writes import Writer
from dr.errors import Failed, Problem
from dr.names import CONTROL
from dr.operations import capacity_steps, client_log
from dr.operations.measurements import Alarm
from dr.operations.operation import FAILOVER, execute, plan
from dr.operations.scene import Options, Scene, read_scene
from dr.operations.step_runner import Outcome, Watcher, new_run
from dr.topology.detection import IMPAIRED
from dr.topology.tiers import BY_ALARM
from dr.topology.topology import Role, Topology

BASELINE = timedelta(seconds=5)
"""How long all answers have to be right before the fault, by the machine's clock."""
PATIENCE = timedelta(minutes=1)
"""Time limit for right answers before the fault and after the failover, by the machine's clock."""
AFTERWARDS = timedelta(seconds=5)
"""How long clients go on after the recovery, by the machine's clock, so that a relapse shows."""
DETECTION_PATIENCE = 2
"""The drill waits for the alarm for so many times its budget, and then goes on without it."""
ALARMS_PATIENCE = timedelta(minutes=12)
"""Time limit for alarms to end, by the environment's clock."""
POLL_SECONDS = 0.3


@dataclass
class Rehearsal:
    """One run of a drill.

    Args:
        topology: The topology of the recovery stack.
        drill: The drill.
        place: The environment.
        log: File for the clients' requests; it must not exist.
        watcher: Observer of the steps.
        say: Shows a line of progress.
        deployment: The recovery stack, for a tier without a cluster.
        run: ID of the run.
    """

    topology: Topology
    drill: Drill
    place: Sandbox
    log: Path
    watcher: Watcher
    say: Callable[[str], None]
    deployment: Deployment
    run: str = field(default_factory=new_run)
    boots: ClassVar[Set[str]] = frozenset({pacing.NODES})
    """Steps of the failover that wait for modelled durations."""

    @cached_property
    def scene(self) -> Scene:
        """The recovery region, for the failover. Raises as `read_scene`."""
        return self._scene(self.run)

    @cached_property
    def record(self) -> Record:
        """What the drill has seen."""
        return Record(
            self.drill,
            self.run,
            self.scene.tier,
            self.scene.home,
            self.scene.region,
            self.topology.bucket(CONTROL, Role.PRIMARY),
            self.topology.workload.gpu_types[0],
            datetime.now(UTC),
            self.place.paces,
        )

    def execute(self) -> Record:
        """Run the drill, and return what it has seen.

        Raises:
            Refused: A guard of the drill is not met. Nothing was changed.
            DrError: The starting point cannot be read.
        """
        running.check()
        guards.check(self.scene, self.drill, self.place)
        self.record.before = self._alarms()
        self._note()
        self.place.run_at(pacing.MACHINE)
        clients = self.place.start_clients(self.log, self.topology.serving.answer_seconds)
        self._note(clients=Process.of(clients.pid))
        writer = Writer(self.scene.home, self.record.bucket, self.run)
        writer.start()
        try:
            self._attempt(lambda: self._lose_and_recover(clients, writer))
        finally:
            writer.stop()
            self._attempt(lambda: self._return(clients))
            self._attempt(self._settle)
            clients.stop()
            if self._noted.raised:
                self._attempt(self._restore)
            self._attempt(lambda: self.place.run_at(pacing.MACHINE))
            self._attempt(lambda: writes.remove(self.scene.home, self.record.bucket, self.run))
        running.forget()
        return self.record

    def _note(self, **changes: Any) -> None:
        """Note what `dr drill stop` has to clean up."""
        self._noted = replace(self._noted, **changes)
        self._noted.note()

    @cached_property
    def _noted(self) -> Running:
        return Running(self.drill.name, self.run, Process.this())

    def _attempt(self, act: Callable[[], None]) -> None:
        attempt(act, self.record.problems, self.say)

    def _scene(self, run: str) -> Scene:
        options = Options(f"drill {self.drill.name}", run, accept=frozenset(self.drill.accepts))
        scene = read_scene(self.topology, options)
        scene.clock = self.place.seconds
        return scene

    def _lose_and_recover(self, clients: Clients, writer: Writer) -> None:
        self.say("clients send requests; every answer has to be right")
        self._until("clients with right answers", lambda: self._healthy(clients), PATIENCE)
        if self.drill.shortage:
            short = {"kind": "capacity", "region": self.scene.region, "instance_type": self.record.short}
            self.place.fault(short)
        self._break()
        self._detect()
        self.record.writes = writer.stop()
        self._fail_over()
        self.place.run_at(pacing.MACHINE)
        self._until("clients with right answers again", lambda: self._recovered(clients), PATIENCE)
        time.sleep(AFTERWARDS.total_seconds())
        replica = self.topology.bucket(CONTROL, Role.RECOVERY)
        self.record.writes = writes.judged(self.scene.region, replica, self.run, self.record.writes)

    def _break(self) -> None:
        """Inject the fault."""
        self._inject({"kind": "region", "region": self.scene.home, "unreachable": True, "with_global": True})
        self.say(f"{self.scene.home} and the global control planes are lost")

    def _inject(self, fault: Mapping[str, object]) -> None:
        self.record.fault_at = datetime.now(UTC)
        self.place.fault(fault)

    def _healthy(self, clients: Clients) -> bool:
        requests = client_log.parse(clients.text())
        if not requests or requests[-1].sent - requests[0].sent < BASELINE:
            return False
        since = requests[-1].sent - BASELINE
        return all(each.good for each in requests if each.sent >= since)

    def _recovered(self, clients: Clients) -> bool:
        return result.outage(self.record, client_log.parse(clients.text())).recovered is not None

    def _detect(self) -> None:
        """Wait for the alarm on which a failover is decided. Without it, the guards of the failover decide."""
        name, began = self.scene.alarm_name(IMPAIRED), self.place.now()
        self.place.run_at(pacing.WAITING)
        self.say(f"waiting for the alarm {name}; the clock runs {pacing.WAITING:g} times as fast")
        limit = began + BY_ALARM * DETECTION_PATIENCE
        while self.place.now() < limit:
            alarm = self.scene.alarms().named(name)
            if alarm and alarm.state == "ALARM":
                self.record.detected = max(alarm.since, began)
                self.say(f"the loss is detected, after {(self.record.detected - began).total_seconds():.0f} s")
                break
            time.sleep(POLL_SECONDS)
        else:
            self.say("no alarm detected the loss")
        self.place.run_at(pacing.MACHINE)

    def _deploy(self) -> None:
        """Deploy the tier to which the region is raised, as the failover says that refuses without a cluster."""
        tier = self.scene.serving_tier
        self._note(raised=True)
        self.record.deployed = self.deployment.raise_to(tier)
        self.topology = replace(self.topology, tier=tier)
        self.scene = self._scene(self.run)
        # Alarms about the region's endpoint need some minutes of answers.
        allowed.wait(self.scene, self.place, FAILOVER, pacing.WAITING)

    def _restore(self) -> None:
        """Deploy the configured tier again: the proof is that of this tier."""
        self.deployment.restore()
        self.topology = replace(self.topology, tier=self.record.tier)
        self.scene = self._scene(self.run)

    def _fail_over(self) -> None:
        if self.scene.recovery.cluster is None:
            self._deploy()
        if self.drill.killed:
            killed.start_and_kill(self.scene, self.drill.name, self.say)
        watcher, began = Paced(Noted(self.watcher, self._ended), self.place, self.boots), time.monotonic()
        made = self.record.made = plan(self.scene, FAILOVER)
        try:
            execute(self.scene, FAILOVER, made, watcher)
        finally:
            self.record.resumed_seconds = watcher.first - began if watcher.first else None
        self.record.nodes = Counter(capacity_steps.ready_gpu_nodes(self.scene).values())

    def _ended(self, outcome: Outcome) -> None:
        """Note a step. In a split brain, the primary region returns once its record is closed."""
        self.record.outcomes.append(outcome)
        if outcome.step == "engage" and self.drill.returns:
            self.place.repair()
            self.say(f"{self.scene.home} returns while the failover runs")

    def _return(self, clients: Clients) -> None:
        """End the fault, and fail back if an incident is open."""
        self.place.repair()
        scene = self._scene(new_run())
        if failback.needed(scene):
            self.say(f"{scene.home} is back; waiting until it is healthy")
            failback.fail_back(scene, self.place, self.watcher, self._failback_begins)
        self.record.failed_back = True
        clients.stop()

    def _failback_begins(self) -> None:
        self.record.failback_at = datetime.now(UTC)

    def _alarms(self) -> Sequence[Alarm]:
        """Return the alarms that have to be OK after the drill."""
        return self.scene.alarms().alarms

    def _settle(self) -> None:
        """Wait until no alarm fires that did not fire before, for long enough."""
        before = {each.name for each in self.record.before or () if each.state == "ALARM"}
        before |= {half.dns.lever_alarm for half in self.scene.halves.values()}
        self.say("waiting until no alarm fires")
        self.place.run_at(pacing.STEADY)
        began = fired = self.place.now()
        while True:
            self.record.after, now = self._alarms(), self.place.now()
            firing = (each.name for each in self.record.after if each.state == "ALARM")
            self.record.firing = [name for name in firing if name not in before]
            fired = now if self.record.firing else fired
            if now - fired >= result.STEADY or now - began >= ALARMS_PATIENCE:
                return
            time.sleep(POLL_SECONDS)

    def _until(self, what: str, met: Callable[[], bool], limit: timedelta) -> None:
        deadline = time.monotonic() + limit.total_seconds()
        while not met():
            if time.monotonic() > deadline:
                fact = f"not within {limit.total_seconds():.0f} s"
                raise Failed(Problem(what, fact, "`dr status` shows what is wrong"))
            time.sleep(POLL_SECONDS)
