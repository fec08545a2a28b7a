"""Starts a build that runs `dr automate --yes`, once the primary region is lost and automation may act.

It reads the witnesses' alarms and the incident state in its own region, and decides by the rules of automation. The
build decides again, with all signals and guards, under the lease. While a build runs, no other one is started.

The function fails if it cannot decide or start, or if the build before did not succeed: its alarm reports that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from dr import environment
from dr.clients import calls, client
from dr.control.journal import LocalJournal
from dr.control.lease import held_by
from dr.control.shared_journal import SharedJournal
from dr.control.state_store import StateStore
from dr.errors import Failed, Problem
from dr.functions.first_run import is_first_run
from dr.operations import quorum
from dr.operations.automatic_runs import last_run
from dr.operations.automation import Action, Decision, Facts, decide
from dr.operations.measurements import read_alarms
from dr.topology.tiers import Tier
from dr.topology.topology import AutomationMode

SETTINGS = ("AWS_REGION", "WORKLOAD", "CONTROL_BUCKET", "PROJECT", "AUTOMATION", "TIER")
RUNNING, SUCCEEDED = "IN_PROGRESS", "SUCCEEDED"
"""Statuses of a build (CodeBuild API reference, Build)."""
JUST_BEFORE = timedelta(minutes=10)
"""Longest time between the end of a build and the start of the next one for the same loss: the function runs each
minute."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Decide, and start a build. Returns the decision with its reasons, and the build that runs.

    Raises:
        Failed: A call was refused, or the build before did not succeed.
        Unreachable: The region does not answer.
    """
    settings = environment.read(*SETTINGS)
    if is_first_run(event):
        return {}
    decision = decision_of(settings)
    build = ensure_build(settings["AWS_REGION"], settings["PROJECT"]) if decision.action is not Action.NOTHING else ""
    return {"action": str(decision.action), "reasons": list(decision.reasons), "build": build}


def decision_of(settings: Mapping[str, str]) -> Decision:
    """Return what a build would do, by the rules of automation.

    Args:
        settings: Environment variables of the function.
    """
    tier = Tier(settings["TIER"])
    if not tier.spec.cluster:
        # A build could do nothing, since no guard of a failover is met, and one would be started each minute.
        return Decision(Action.NOTHING, (f"tier {tier} has no cluster: an operator raises the tier (`dr failover`)",))
    region, bucket = settings["AWS_REGION"], settings["CONTROL_BUCKET"]
    alarms = read_alarms(region, settings["WORKLOAD"])
    stored = StateStore(region, bucket).read()
    held = held_by(stored)
    facts = Facts(
        AutomationMode(settings["AUTOMATION"]),
        quorum.of_alarms(alarms, settings["WORKLOAD"]),
        stored.state,
        held.holder if held else "",
    )
    if (found := decide(facts)).action is Action.NOTHING:
        return found
    # The journal is read only now, so that a run in normal operation makes two calls.
    journal = SharedJournal(region, bucket, LocalJournal(Path(os.devnull)))
    last = last_run(journal, stored.now)
    return decide(replace(facts, since_last=stored.now - last if last else None))


def ensure_build(region: str, project: str) -> str:
    """Start a build unless one runs. Returns the ID of the build that runs.

    Args:
        region: The recovery region.
        project: Name of the project that runs automation.

    Raises:
        Failed: CodeBuild refused a call, or the build just before did not succeed; a new one runs.
        Unreachable: The region does not answer.
    """
    builds = client("codebuild", region)
    with calls(f"project {project}", region):
        ids = builds.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"][:2]
        found = builds.batch_get_builds(ids=ids)["builds"] if ids else []
        latest = sorted(found, key=lambda each: each["startTime"], reverse=True)
        if not latest or latest[0]["buildStatus"] != RUNNING:
            latest = [builds.start_build(projectName=project)["build"], *latest]
            sys.stderr.write(f"build {latest[0]['id']} was started\n")
    require_success(project, *latest[:2])
    return str(latest[0]["id"])


def require_success(project: str, build: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
    """Check that the build just before the one that runs succeeded.

    Args:
        project: Name of the project.
        build: The build that runs, as CodeBuild describes it.
        before: The build before; None if there was none.

    Raises:
        Failed: It did not. Each run of the function fails until a build succeeds, so that its alarm fires.
    """
    if before is None or before["buildStatus"] == SUCCEEDED or build["startTime"] - before["endTime"] > JUST_BEFORE:
        return
    fact = f"it ended as {before['buildStatus']}, and build {build['id']} runs now"
    remedy = f"its log is in the log group /{project}; `dr failover` does the same from another machine"
    raise Failed(Problem(f"build {before['id']}", fact, remedy))
