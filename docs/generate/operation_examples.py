"""Samples of operations for docs/cli.md: a plan of each, made of its real steps, and a journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from dr.control.incident_state import IncidentState
from dr.control.journal import Entry
from dr.findings import Finding, Status
from dr.operations.automatic import Considered
from dr.operations.automation import Facts, decide
from dr.operations.operation import FAILBACK, FAILOVER, SWITCHOVER, Operation, Plan, PlannedStep
from dr.operations.quorum import Sight, Signal
from dr.operations.steps import State, Verdict, critical_path, modelled
from dr.topology.topology import AutomationMode

RUN, REGION = "20261128T120510Z-6f1c2a", "us-west-2"
NOW: Mapping[str, Verdict] = {
    "open-incident": Verdict(State.NEEDED, "no incident is open"),
    "engage": Verdict(State.NEEDED, "lever engage is off"),
    "choose-set": Verdict(State.DONE, "20261128T090310.112233Z-61832178 is whole in us-west-2"),
    "activate": Verdict(State.NEEDED, "activation none, deployed tier pilot"),
    "nodes": Verdict(State.NEEDED, "raise gpu-a to 1, gpu-b to 1, gpu-c to 1"),
    "replicas": Verdict(State.NEEDED, "0 of 3 replicas are requested"),
    "restore-database": Verdict(State.DONE, "ml-dr-recovery is a replica; nothing is restored"),
    "start-database-instance": Verdict(State.NEEDED, "ml-dr-recovery has no instance: create ml-dr-recovery-incident"),
    "promote-database": Verdict(
        State.NEEDED,
        "the writer is ml-dr-primary",
        ("rows: ml-dr-recovery was 0.3 s behind (objective 1 h)",),
    ),
    "switch-database": Verdict(State.NEEDED, "the writer is ml-dr-primary"),
    "synchronize-database": Verdict(State.DONE, "ml-dr-primary is synchronized with ml-dr-recovery"),
    "return-database": Verdict(State.NEEDED, "the writer is ml-dr-recovery"),
    "remove-database-instance": Verdict(State.NEEDED, "ml-dr-recovery-incident is available"),
    "start-registry": Verdict(State.DONE, "dr:registry is none"),
    "stop-registry": Verdict(State.DONE, "dr:registry is none"),
    "keep-database-rows": Verdict(State.DONE, "no cluster was restored"),
    "workers": Verdict(State.DONE, "dr:workers has no fleet"),
    "lower-workers": Verdict(State.DONE, "dr:workers has no fleet"),
    "release": Verdict(State.NEEDED, "lever engage is on"),
    "lower-capacity": Verdict(State.NEEDED, "3 replicas, 3 GPU nodes"),
    "hand-over": Verdict(State.NEEDED, "start backup location, cluster backup, registry backup"),
    "hand-back": Verdict(State.NEEDED, "stop backup location, cluster backup, registry backup"),
    "stop-backups": Verdict(State.NEEDED, "stop backup location, cluster backup, registry backup"),
    "start-backups": Verdict(State.DONE, "active: backup location, cluster backup, registry backup"),
    "close-incident": Verdict(State.NEEDED, f"incident {RUN}"),
}
FINDINGS: Mapping[str, Finding] = {
    "account": Finding("account", Status.MET, "account 123456789012"),
    "no-incident": Finding("no-incident", Status.MET, "no other incident is open"),
    "incident": Finding("incident", Status.MET, f"incident {RUN} is open"),
    "primary-lost": Finding(
        "primary-lost",
        Status.MET,
        "primary-silent: lost (alarm ALARM since 12:04:40 UTC); sentinel-stale: lost (alarm ALARM since 12:05:00 UTC); "
        "request to inference-primary.ml.example.com: lost (no answer: timed out)",
    ),
    "primary-well": Finding(
        "primary-well",
        Status.MET,
        "primary-silent: well (alarm OK since 14:31:20 UTC); sentinel-stale: well (alarm OK since 14:32:00 UTC); "
        "request to inference-primary.ml.example.com: well (answered 200)",
    ),
    "restored-rows": Finding("restored-rows", Status.MET, "no cluster was restored"),
    "recovery-ready": Finding("recovery-ready", Status.MET, "the cluster in us-west-2 is ready"),
    "model-set": Finding("model-set", Status.MET, "20261128T090310.112233Z-61832178 is whole in us-west-2"),
    "database": Finding("database", Status.MET, "ml-dr-recovery is connected, with no instance: it is headless"),
    "database-lag": Finding(
        "database-lag",
        Status.MET,
        "rows: ml-dr-recovery was 0.3 s behind (objective 1 h)",
        "",
        "at most 1 h",
    ),
    "data-loss": Finding(
        "data-loss",
        Status.MET,
        "at most 24 s of writes have not arrived (objective 1 h); rows: ml-dr-recovery was 0.3 s behind "
        "(objective 1 h)",
    ),
}


def plan_of(operation: Operation) -> Plan:
    """Return the plan of an operation."""
    steps = operation.steps()
    planned = tuple(
        PlannedStep(step, NOW.get(step.name, Verdict(State.NEEDED, "has to be measured")), modelled(step))
        for step in steps
    )
    durations = {
        each.step.name: timedelta(0) if each.verdict.state is State.DONE else each.expected.p50 for each in planned
    }
    chain, duration = critical_path(steps, durations)
    findings = tuple(FINDINGS[guard.name] for guard in operation.guards)
    return Plan(operation.name, RUN, False, REGION, findings, planned, chain, duration)


SIGNALS = (
    Signal("primary-silent", Sight.LOST, "alarm ALARM since 12:04:40 UTC", timedelta(seconds=50)),
    Signal("sentinel-stale", Sight.LOST, "alarm ALARM since 12:05:00 UTC", timedelta(seconds=30)),
    Signal("request to inference-primary.ml.example.com", Sight.LOST, "no answer: timed out"),
)
FACTS = Facts(AutomationMode.AUTOMATIC, SIGNALS, IncidentState())
CONSIDERED = Considered(FACTS, decide(FACTS))
PLANS = {each.name: plan_of(each) for each in (FAILOVER, SWITCHOVER, FAILBACK)}


def _at(seconds: int) -> datetime:
    return datetime(2026, 11, 28, 12, 5, 10, tzinfo=UTC) + timedelta(seconds=seconds)


JOURNAL = (
    Entry(_at(0), RUN, "run.started", data={"operation": "failover"}),
    Entry(_at(1), RUN, "step.started", "open-incident", {"was": "needed", "detail": "no incident is open"}),
    Entry(_at(2), RUN, "step.done", "open-incident", {"seconds": 0.7}),
    Entry(_at(2), RUN, "step.started", "engage", {"was": "needed", "detail": "lever engage is off"}),
    Entry(_at(61), RUN, "step.done", "engage", {"detail": "lever engage is on, its alarm is ALARM", "seconds": 58.9}),
)
