"""The run of a drill of a grey failure: inference is slow, health checks pass, and an operator fails over.

The fault is found as an operator finds it: `dr failover` and `dr status` ask for predictions. The guard `primary-lost`
sees two health checks pass and refuses, so the operator accepts its finding by name. The steps are those of a failover.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from dr.drills.environment import Clients
from dr.drills.rehearsal import POLL_SECONDS, Rehearsal
from dr.drills.writes import Writer
from dr.operations import signals
from dr.topology.detection import SILENT, STALE

SLOWER = 2.0
"""Delay of an answer, as a multiple of the time that clients wait (`dr:answerSeconds`)."""
SHARE = 0.5
"""Share of the requests that are delayed."""
SHOWN_PATIENCE = timedelta(seconds=30)
"""Time limit for the product to show the failure, by the machine's clock."""


class GreyFailure(Rehearsal):
    """One run of a drill of a grey failure."""

    def _break(self) -> None:
        slow = SLOWER * self.topology.serving.answer_seconds
        self._inject({"kind": "inference", "region": self.scene.home, "slow": slow, "share": SHARE})
        self.say(f"{SHARE:.0%} of the inference requests of {self.scene.home} are {slow:g} s slower")

    def _detect(self) -> None:
        """Ask for the signals as an operator does, until they show the failure."""
        deadline = time.monotonic() + SHOWN_PATIENCE.total_seconds()
        while time.monotonic() < deadline:
            self.record.shown = signals.read(self.scene)
            if found := next((each for each in self.record.shown if each.grey), None):
                self.record.detected = self.place.now()
                self.say(f"{found}; the operator accepts the guard {', '.join(self.drill.accepts)}")
                break
            time.sleep(POLL_SECONDS)
        else:
            self.say("the signals show no grey failure")
        self.record.stopped_at = datetime.now(UTC)

    def _lose_and_recover(self, clients: Clients, writer: Writer) -> None:
        super()._lose_and_recover(clients, writer)
        alarms = self.scene.alarms()
        self.record.witnesses = {name: alarms.named(self.scene.alarm_name(name)) for name in (SILENT, STALE)}
