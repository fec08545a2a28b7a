"""The run of a drill of a lost zone: clients stay in the primary region, and replicas move to the other zones.

Nothing is decided and nothing is switched. The load balancer's health checks find the lost replicas.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property

from dr.clusters.api_client import ClusterApi
from dr.drills import pacing, writes, zones
from dr.drills.environment import Clients
from dr.drills.rehearsal import PATIENCE, POLL_SECONDS, Rehearsal
from dr.drills.writes import Writer
from dr.drills.zones import Spread, Zones
from dr.errors import Failed, Problem
from dr.operations.measurements import Alarm, read_alarms
from dr.topology.detection import IMPAIRED
from dr.topology.topology import Role

UNNOTICED_SECONDS = 40.0
"""Time for which Kubernetes does not notice lost nodes, by the environment's clock, so that health checks of targets
find them first, as on AWS: a node is not ready after 50 s without a lease (kube-controller-manager reference,
node-monitor-grace-period), of which a sandbox needs 7 to 13 s at this speed."""
SETTLED = timedelta(seconds=2)
"""Time before the fault in which health checks of targets pass at the clock's speed, by the machine's clock."""
REPLACED_PATIENCE = timedelta(minutes=2)
"""Time limit for replicas to be ready without the zone, and again with it, by the machine's clock. New nodes boot for
minutes, at the environment's speed of modelled durations."""


class ZoneLoss(Rehearsal):
    """One run of a drill of a lost zone."""

    @cached_property
    def _api(self) -> ClusterApi:
        return self.scene.cluster_of(Role.PRIMARY)

    def _lose_and_recover(self, clients: Clients, writer: Writer) -> None:
        self.say("clients send requests; every answer has to be right")
        self._until("clients with right answers", lambda: self._healthy(clients), PATIENCE)
        before = zones.read(self._api)
        if len(before.replicas) < 2 or not before.complete:
            remedy = "`dr rollout --role primary` shows what blocks replicas; drill once two zones have some"
            raise Failed(Problem(f"zones of {self.scene.home}", str(before), remedy))
        seen = self.record.zones = Zones(before.fullest, before)
        self.place.run_at(pacing.WAITING, targets=True)
        time.sleep(SETTLED.total_seconds())
        self._inject({"kind": "zone", "zone": seen.zone, "unnoticed": UNNOTICED_SECONDS / pacing.WAITING})
        self.say(f"{seen.zone} is lost, with {before.replicas[seen.zone]} of {before.ready} replicas")
        self._until("clients with right answers again", lambda: self._recovered(clients), PATIENCE)
        self.place.run_at(pacing.MACHINE)
        self.say("clients get right answers; waiting until all replicas are ready in the other zones")
        seen.lost = self._ready(lambda found: seen.zone not in found.nodes)
        self.record.writes = writes.judged(self.scene.home, self.record.bucket, self.run, writer.stop())

    def _return(self, clients: Clients) -> None:
        """End the fault, and wait until each zone has a node and all replicas are ready."""
        self.place.repair()
        self.place.run_at(pacing.MACHINE)
        if seen := self.record.zones:
            self.say(f"{seen.zone} is back; waiting until it has a node and all replicas are ready")
            seen.after = self._ready(lambda found: seen.zone in found.nodes)
            state = self.scene.state()
            seen.incident = state.incident.id if state.incident else ""
            alarm = self.scene.alarms().named(self.scene.alarm_name(IMPAIRED))
            seen.impaired = (alarm.state, alarm.since) if alarm else None
        clients.stop()

    def _ready(self, zone: Callable[[Spread], bool]) -> Spread:
        """Return what runs once all replicas are ready and the zone is as expected, or the time is over."""
        deadline = time.monotonic() + REPLACED_PATIENCE.total_seconds()
        while True:
            found = zones.read(self._api)
            if (found.complete and zone(found)) or time.monotonic() > deadline:
                return found
            time.sleep(POLL_SECONDS)

    def _alarms(self) -> Sequence[Alarm]:
        """Return the alarms of both regions: the one with the zone has alarms about its nodes and replicas."""
        both = (self.scene.region, self.scene.home)
        return [each for region in both for each in read_alarms(region, self.topology.bucket_prefix).alarms]
