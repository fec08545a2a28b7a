"""Readiness check of automation: it is deployed as configured, it is started each minute, and it may act."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dr.clients import Missing, calls, client
from dr.control.incident_state import IncidentState
from dr.findings import Finding, Status
from dr.names import trigger_name
from dr.operations.automation import state_forbids
from dr.operations.inspected import Inspected
from dr.topology.tiers import Tier
from dr.topology.topology import AutomationMode

NAME = "automation"
WINDOW = timedelta(minutes=5)
"""A run may start a minute late, and its metrics may arrive a minute later."""
DEPLOY = "`pulumi up -s dr` deploys what is configured"


@dataclass(frozen=True)
class Trigger:
    """What was measured of the function that starts automation.

    Args:
        name: The function's name.
        mode: `dr:automation` as deployed; "" if the function does not exist.
        runs: Its runs in `WINDOW`.
        failed: Those of them that failed.
    """

    name: str
    mode: str = ""
    runs: int = 0
    failed: int = 0


def look(inspected: Inspected) -> Iterator[Finding]:
    """Check automation. Raises as `read`."""
    scene, mode = inspected.scene, inspected.scene.topology.automation
    if mode is AutomationMode.NOTIFY:
        yield Finding(NAME, Status.INFO, f"dr:automation is {mode}: an operator decides")
        return
    name = trigger_name(scene.topology.bucket_prefix)
    yield judge(mode, read(scene.region, name, scene.alarms().at), scene.state(), scene.tier)


def read(region: str, name: str, now: datetime) -> Trigger:
    """Measure the function.

    Args:
        region: The recovery region.
        name: The function's name.
        now: CloudWatch's time.

    Raises:
        Unreachable: The region does not answer.
        Failed: Lambda or CloudWatch refused a call.
    """
    try:
        with calls(f"function {name}", region):
            found = client("lambda", region).get_function_configuration(FunctionName=name)
    except Missing:
        return Trigger(name)
    # Each run publishes its number of errors, so their count is that of the runs.
    queries = [
        {
            "Id": stat.lower(),
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Errors",
                    "Dimensions": [{"Name": "FunctionName", "Value": name}],
                },
                "Period": 60,
                "Stat": stat,
            },
        }
        for stat in ("SampleCount", "Sum")
    ]
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    with calls(f"metrics of {name}", region):
        answer = client("cloudwatch", region).get_metric_data(
            MetricDataQueries=queries, StartTime=end - WINDOW, EndTime=end
        )
    totals = {each["Id"]: round(sum(each["Values"])) for each in answer["MetricDataResults"]}
    mode = found.get("Environment", {}).get("Variables", {}).get("AUTOMATION", "")
    return Trigger(name, mode, totals.get("samplecount", 0), totals.get("sum", 0))


def judge(mode: AutomationMode, trigger: Trigger, state: IncidentState, tier: Tier) -> Finding:
    """Judge automation. Pure.

    Args:
        mode: `dr:automation` as configured.
        trigger: The function that starts it.
        state: The incident state.
        tier: The deployed tier.
    """
    minutes = round(WINDOW.total_seconds() / 60)
    objective = f"{mode}, started each minute, and armed"

    def missed(fact: str, hint: str) -> Finding:
        return Finding(NAME, Status.MISSED, fact, hint, objective)

    if not trigger.mode:
        return missed(f"the function {trigger.name} does not exist", DEPLOY)
    if trigger.mode != mode:
        return missed(f"{trigger.mode} is deployed, and {mode} is configured", DEPLOY)
    if not trigger.runs:
        hint = f"the schedule {trigger.name}, and the alarm automation-failing"
        return missed(f"{trigger.name} has not run in the last {minutes} minutes", hint)
    if trigger.failed:
        fact = f"{trigger.failed} of {trigger.runs} runs of {trigger.name} failed in the last {minutes} minutes"
        return missed(fact, f"the log group /{trigger.name} has the error")
    if not tier.spec.cluster:
        hint = "`pulumi config set dr:tier pilot -s dr` and `pulumi up -s dr`, or `dr:automation notify`"
        return missed(f"tier {tier} has no cluster, so automation does nothing", hint)
    if reasons := state_forbids(state):
        return missed("; ".join(reasons), "")
    return Finding(NAME, Status.MET, f"{mode}, started {trigger.runs} times in {minutes} minutes", "", objective)
